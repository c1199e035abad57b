// Everything that can go wrong, one class per meaning, so that a caller branches on the class (or
// the stable `code`) and never on text. What each means for the command is in the first sentence.

/** Why a socket could not be opened. */
export type QmpConnectReason =
  | "absent" // no such socket file
  | "refused" // nobody listens: a stale socket file, or a closed port
  | "forbidden" // the file system says no
  | "unknown-host"
  | "timed-out"
  | "other";

/** Why a connection that was opened never became a session. */
export type QmpGreetingReason =
  | "held" // connected, but silent: QEMU serves one client per socket, and it is not us
  | "not-qmp" // something answered that does not speak QMP
  | "ended" // closed before the session began
  | "refused" // QEMU refused `qmp_capabilities`
  | "mute"; // greeted, then never answered `qmp_capabilities`

/** Why a session ended. */
export type QmpEndReason =
  | "closed-here" // by `close()`
  | "ended-by-peer" // QEMU quit, was killed, or dropped us
  | "socket-failed" // the operating system gave up on the connection
  | "line-too-long" // more bytes without a newline than `maxLineBytes`
  | "garbage" // a line that is no QMP message: the stream cannot be trusted any more
  | "listener-failed"; // an event listener of ours threw

/** The text is no QMP address. The message says what was expected. */
export class QmpAddressError extends Error {
  override readonly name = "QmpAddressError";
  readonly code = "QMP_ADDRESS_INVALID";
  readonly text: string;
  constructor(text: string, expected: string) {
    super(`${JSON.stringify(text)} is not a QMP address: expected ${expected}`);
    this.text = text;
  }
}

/** The socket could not be opened. Nothing was sent. */
export class QmpConnectError extends Error {
  override readonly name = "QmpConnectError";
  readonly code = "QMP_CONNECT_FAILED";
  readonly address: string;
  readonly reason: QmpConnectReason;
  /** The system's own word, "ENOENT" and the like; null when it was our deadline. */
  readonly errno: string | null;
  constructor(
    what: Readonly<{ address: string; reason: QmpConnectReason; errno: string | null }>,
    message: string,
    cause: unknown,
  ) {
    super(message, { cause });
    this.address = what.address;
    this.reason = what.reason;
    this.errno = what.errno;
  }
}

/** The socket opened, but no session began on it. No command was sent. */
export class QmpGreetingError extends Error {
  override readonly name = "QmpGreetingError";
  readonly code = "QMP_NO_GREETING";
  readonly address: string;
  readonly reason: QmpGreetingReason;
  constructor(address: string, reason: QmpGreetingReason, message: string, cause: unknown = null) {
    super(`${address}: ${message}`, { cause });
    this.address = address;
    this.reason = reason;
  }
}

/** Refused: QEMU answered, and the answer is no. The connection is fine. */
export class QmpCommandError extends Error {
  override readonly name = "QmpCommandError";
  readonly code = "QMP_COMMAND_FAILED";
  readonly command: string;
  /** QEMU's own word: "GenericError", "DeviceNotFound", "CommandNotFound", … */
  readonly errorClass: string;
  /** QEMU's sentence for people. Its wording changes between releases. */
  readonly description: string;
  constructor(command: string, errorClass: string, description: string) {
    super(`${command}: ${errorClass}: ${description}`);
    this.command = command;
    this.errorClass = errorClass;
    this.description = description;
  }
}

/**
 * Lost: the connection ended before the answer.
 *
 * With `wasSent` the command may or may not have run: connect anew and read back before retrying.
 * Without it the connection had already ended, and the command certainly did not run.
 */
export class QmpLostError extends Error {
  override readonly name = "QmpLostError";
  readonly code = "QMP_CONNECTION_LOST";
  /** The command, or the name of the event waited for. */
  readonly awaited: string;
  readonly reason: QmpEndReason;
  readonly wasSent: boolean;
  constructor(awaited: string, wasSent: boolean, end: QmpEnd) {
    super(`${awaited}: the QMP connection ended: ${end.message}`, { cause: end.cause });
    this.awaited = awaited;
    this.reason = end.reason;
    this.wasSent = wasSent;
  }
}

/** Timed out: no answer by the deadline. The command may still run; its late reply is dropped. */
export class QmpTimeoutError extends Error {
  override readonly name = "QmpTimeoutError";
  readonly code = "QMP_TIMED_OUT";
  /** The command, or the name of the event waited for. */
  readonly awaited: string;
  readonly timeoutMs: number;
  constructor(awaited: string, timeoutMs: number) {
    super(`${awaited}: nothing within ${Math.round(timeoutMs)} ms`);
    this.awaited = awaited;
    this.timeoutMs = timeoutMs;
  }
}

/** Unexpected: an answer came, and it is not what this command answers. The command did run. */
export class QmpUnexpectedReplyError extends Error {
  override readonly name = "QmpUnexpectedReplyError";
  readonly code = "QMP_UNEXPECTED_REPLY";
  readonly command: string;
  constructor(command: string, problem: string, cause: unknown = null) {
    super(`${command}: unexpected reply: ${problem}`, { cause });
    this.command = command;
  }
}

/** Too many commands are unanswered already; this one was not sent. */
export class QmpBusyError extends Error {
  override readonly name = "QmpBusyError";
  readonly code = "QMP_BUSY";
  readonly command: string;
  constructor(command: string, unanswered: number) {
    super(`${command}: not sent: ${unanswered} commands are unanswered already`);
    this.command = command;
  }
}

/** How a session ended. `cause` is the system's error, or null when there was none. */
export type QmpEnd = Readonly<{ reason: QmpEndReason; message: string; cause: unknown }>;

/** Every error this package throws for what the world did. */
export type QmpError =
  | QmpAddressError
  | QmpConnectError
  | QmpGreetingError
  | QmpCommandError
  | QmpLostError
  | QmpTimeoutError
  | QmpUnexpectedReplyError
  | QmpBusyError;

const ERROR_CLASSES = [
  QmpAddressError,
  QmpConnectError,
  QmpGreetingError,
  QmpCommandError,
  QmpLostError,
  QmpTimeoutError,
  QmpUnexpectedReplyError,
  QmpBusyError,
] as const;

/** Whether `error` is one of ours; anything else (an abort, a bug) is the caller's own. */
export function isQmpError(error: unknown): error is QmpError {
  return ERROR_CLASSES.some((type) => error instanceof type);
}
