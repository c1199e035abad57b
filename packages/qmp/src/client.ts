// One QMP session over one socket, from greeting to end. Connecting anew is the caller's affair:
// events in between are lost, so whoever reconnects must read the state again anyway.
import * as z from "zod";
import { formatQmpAddress, parseQmpAddress, type QmpAddress } from "./address.ts";
import {
  QMP_COMMANDS,
  type QmpArguments,
  type QmpCommandName,
  type QmpResult,
} from "./commands.ts";
import { type Limits, type QmpCallOptions, waitWithin } from "./deadline.ts";
import { dial } from "./dial.ts";
import { type QmpEnd, QmpTimeoutError, QmpUnexpectedReplyError } from "./errors.ts";
import { type KnownQmpEvent, type QmpEvent, type QmpEventName, readEvent } from "./events.ts";
import { type QmpGreeting, type RawEvent } from "./message.ts";
import { negotiate } from "./negotiate.ts";
import { QmpWire } from "./wire.ts";

export type QmpConnectOptions = Readonly<{
  /** From the start to a session: connected, greeted, negotiated. */
  greetingTimeoutMs?: number;
  /** Default deadline of one command, from the call to the answer. */
  commandTimeoutMs?: number;
  /** Bound of one line from QEMU. query-qmp-schema, the longest known, takes 186 kB. */
  maxLineBytes?: number;
  /** Bound of commands without an answer, given-up ones included; above it: QmpBusyError. */
  maxUnanswered?: number;
  /** Ends the attempt to connect. It does not end the session: `close()` does. */
  signal?: AbortSignal;
}>;

const DEFAULTS = {
  greetingTimeoutMs: 4_000,
  commandTimeoutMs: 5_000,
  maxLineBytes: 8 * 1024 * 1024,
  maxUnanswered: 256,
} as const;

export type QmpListener<Event = QmpEvent> = (event: Event) => void;

/** A live QMP session. */
export class QmpClient {
  /** In the form `parseQmpAddress` reads. */
  readonly address: string;
  readonly greeting: QmpGreeting;
  /** Resolves when the session ends, for whatever reason. Never rejects. */
  readonly closed: Promise<QmpEnd>;
  readonly #wire: QmpWire;
  readonly #listeners: Set<QmpListener>;
  readonly #commandTimeoutMs: number;

  private constructor(session: Session) {
    this.address = session.address;
    this.greeting = session.greeting;
    this.closed = session.wire.closed;
    this.#wire = session.wire;
    this.#listeners = session.listeners;
    this.#commandTimeoutMs = session.commandTimeoutMs;
  }

  /**
   * Connects, waits for the greeting and negotiates.
   *
   * Throws QmpAddressError, QmpConnectError or QmpGreetingError, or the signal's reason. Of the
   * events nothing is kept from before the first listener: subscribe first, then read the state.
   */
  static async connect(
    address: QmpAddress | string,
    options: QmpConnectOptions = {},
  ): Promise<QmpClient> {
    const where = typeof address === "string" ? parseQmpAddress(address) : address;
    const settings = { ...DEFAULTS, ...options };
    const deadlineAt = performance.now() + settings.greetingTimeoutMs;
    const left = (): Limits => ({
      // A spent deadline still gets its millisecond, to fail as the stage that used it up would.
      timeoutMs: Math.max(1, deadlineAt - performance.now()),
      signal: options.signal ?? null,
    });
    const limits = { timeoutMs: settings.greetingTimeoutMs, signal: options.signal ?? null };
    const socket = await dial(where, limits);
    const listeners = new Set<QmpListener>();
    const wire = new QmpWire(socket, settings, (event) => {
      tell(listeners, event);
    });
    const greeting = await negotiate(wire, formatQmpAddress(where), left);
    const { commandTimeoutMs } = settings;
    const session = { address: formatQmpAddress(where), wire, greeting, listeners };
    return new QmpClient({ ...session, commandTimeoutMs });
  }

  /** How the session ended; null while it lives. */
  get ended(): QmpEnd | null {
    return this.#wire.ended;
  }

  /** Commands without an answer, those given up included. */
  get unanswered(): number {
    return this.#wire.unanswered;
  }

  /** Answers that nobody waited for (late, doubled, unknown id) and were dropped. */
  get strayReplies(): number {
    return this.#wire.strayReplies;
  }

  /**
   * Runs one command. Commands may overlap; QEMU runs them in the order of the calls.
   *
   * Throws QmpCommandError (refused), QmpLostError, QmpTimeoutError, QmpUnexpectedReplyError,
   * QmpBusyError (not sent), or the signal's reason; TypeError if the arguments fit no such
   * command.
   */
  async execute<Name extends QmpCommandName>(
    command: Name,
    args: QmpArguments<Name>,
    options: QmpCallOptions = {},
  ): Promise<QmpResult<Name>> {
    const { takes, gives } = QMP_COMMANDS[command];
    const checked = takes.safeParse(args);
    if (!checked.success) throw new TypeError(`${command}: ${z.prettifyError(checked.error)}`);
    const reply = await this.executeUntyped(command, checked.data, options);
    // The table ties each name to its own schema; TypeScript cannot follow that through a generic.
    return fit(command, reply, gives) as QmpResult<Name>;
  }

  /** Runs a command this package has no type for. The answer is QEMU's `return`, unread. */
  async executeUntyped(
    command: string,
    args: Readonly<Record<string, unknown>>,
    options: QmpCallOptions = {},
  ): Promise<unknown> {
    return await this.#wire.roundTrip(command, args, this.#limits(options));
  }

  /** qom-get, with the property's type. */
  async readProperty<T>(
    at: QmpArguments<"qom-get">,
    type: z.ZodType<T>,
    options: QmpCallOptions = {},
  ): Promise<T> {
    return fit(`qom-get ${at.property}`, await this.execute("qom-get", at, options), type);
  }

  /**
   * Calls back for each event of this name, at once and in order. Returns how to stop.
   *
   * An event whose data is not as documented goes to `onAny` only. A listener that throws ends the
   * session ("listener-failed").
   */
  on<Name extends QmpEventName>(
    name: Name,
    listener: QmpListener<KnownQmpEvent<Name>>,
  ): () => void {
    return this.onAny((event) => {
      // TypeScript cannot follow the table from a name to its type through a generic.
      if (event.known && event.name === name) listener(event as unknown as KnownQmpEvent<Name>);
    });
  }

  /** Calls back for every event, unknown ones too. Returns how to stop. */
  onAny(listener: QmpListener): () => void {
    const own: QmpListener = (event) => {
      listener(event); // wrapped, so that one function subscribed twice is two subscriptions
    };
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  /**
   * The next event of this name that `isWanted`. Call it before the command that causes the event.
   *
   * Throws QmpTimeoutError, QmpLostError, or the signal's reason.
   */
  async nextEvent<Name extends QmpEventName>(
    name: Name,
    options: QmpCallOptions = {},
    isWanted: (event: KnownQmpEvent<Name>) => boolean = () => true,
  ): Promise<KnownQmpEvent<Name>> {
    const limits = this.#limits(options);
    const onDeadline = () => new QmpTimeoutError(name, limits.timeoutMs);
    return await waitWithin<KnownQmpEvent<Name>>(limits, onDeadline, (settlers) => {
      const ignoreEnd = this.#wire.awaitEnd(name, settlers);
      const unsubscribe = this.on(name, (event) => {
        if (!isWanted(event)) return;
        release();
        settlers.resolve(event);
      });
      const release = () => {
        ignoreEnd();
        unsubscribe();
      };
      return release;
    });
  }

  /** Ends the session now. What is unanswered is lost. Never throws; a second call does nothing. */
  close(): void {
    this.#wire.end("closed-here", "closed here");
  }

  #limits(options: QmpCallOptions): Limits {
    return {
      timeoutMs: options.timeoutMs ?? this.#commandTimeoutMs,
      signal: options.signal ?? null,
    };
  }
}

type Session = Readonly<{
  address: string;
  greeting: QmpGreeting;
  wire: QmpWire;
  listeners: Set<QmpListener>;
  commandTimeoutMs: number;
}>;

function tell(listeners: ReadonlySet<QmpListener>, raw: RawEvent): void {
  if (listeners.size === 0) return;
  const event = readEvent(raw);
  for (const listener of [...listeners]) listener(event);
}

function fit<T>(command: string, reply: unknown, type: z.ZodType<T>): T {
  const parsed = type.safeParse(reply);
  if (parsed.success) return parsed.data;
  throw new QmpUnexpectedReplyError(command, z.prettifyError(parsed.error), parsed.error);
}
