// From an open socket to a session: the greeting, then qmp_capabilities. When it fails, the
// socket is closed and the error says at which step and most likely why.
import { type Limits } from "./deadline.ts";
import { HELD_MESSAGE } from "./dial.ts";
import {
  QmpCommandError,
  type QmpEnd,
  QmpGreetingError,
  QmpLostError,
  QmpTimeoutError,
  QmpUnexpectedReplyError,
} from "./errors.ts";
import { type QmpGreeting } from "./message.ts";
import { type QmpWire } from "./wire.ts";

/** `left` gives what remains of one deadline. Throws QmpGreetingError or the signal's reason. */
export async function negotiate(
  wire: QmpWire,
  address: string,
  left: () => Limits,
): Promise<QmpGreeting> {
  try {
    const onSilence = () =>
      wire.hasHeard
        ? new QmpGreetingError(address, "not-qmp", "something answers, but not with a greeting")
        : new QmpGreetingError(address, "held", HELD_MESSAGE);
    const greeting = await wire.greeting(left(), onSilence);
    await wire.roundTrip("qmp_capabilities", {}, left());
    return greeting;
  } catch (error) {
    const end = wire.ended;
    wire.end("closed-here", "no session was reached");
    throw explain(address, error, end);
  }
}

function explain(address: string, error: unknown, end: QmpEnd | null): unknown {
  if (error instanceof QmpLostError && end !== null) return explainEnd(address, error, end);
  if (error instanceof QmpTimeoutError) {
    return new QmpGreetingError(
      address,
      "mute",
      "greeted, but qmp_capabilities got no answer",
      error,
    );
  }
  if (error instanceof QmpCommandError || error instanceof QmpUnexpectedReplyError) {
    return new QmpGreetingError(address, "refused", error.message, error);
  }
  return error;
}

function explainEnd(address: string, error: QmpLostError, end: QmpEnd): QmpGreetingError {
  const isGarbage = end.reason === "garbage" || end.reason === "line-too-long";
  if (!isGarbage) {
    const message = `the connection ended before a session began: ${end.message}`;
    return new QmpGreetingError(address, "ended", message, error);
  }
  const message = `that is not QMP, or QMP with pretty=on: ${end.message}`;
  return new QmpGreetingError(address, "not-qmp", message, error);
}
