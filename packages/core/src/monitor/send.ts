// A frame of ours, if this agent understands it.
import { encodeFromMonitor, isSpoken, type FromMonitor } from "@selfscale/protocol";
import { type Session } from "./state.ts";
import { type MonitorAction } from "./types.ts";

/** On a probe a version-1 agent is asked something that version 1 lacks. */
export function send(session: Session, message: FromMonitor, isProbe = false): MonitorAction {
  if (!isProbe && !isSpoken(message.type, session.version)) {
    throw new Error(`${message.type} must not be sent on version ${session.version}`);
  }
  return { kind: "send-frame", link: session.link, text: encodeFromMonitor(message) };
}
