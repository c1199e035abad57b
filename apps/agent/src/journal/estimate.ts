// What an entry of the journal takes, roughly: exact enough for a budget, and cheap enough to be asked at every step.
import { type VmAction, type VmEvent } from "@selfscale/core";

/** A state that only its chunk still needs. */
export const CHUNK_BYTES_AT_LEAST = 4_096;
const ENTRY_BYTES = 128;
const FACTS_BYTES = 512;
const METRICS_BYTES = 1_024;
const SPEC_BYTES = 1_024;
const ACTION_BYTES = 128;
const NOTE_BYTES = 512;

export function bytesOfEvent(event: VmEvent): number {
  switch (event.kind) {
    case "frame-received":
      return ENTRY_BYTES + 2 * event.text.length;
    case "hypervisor-attached":
    case "hypervisor-observed":
      return ENTRY_BYTES + FACTS_BYTES;
    case "hypervisor-lost":
    case "link-closed":
      return ENTRY_BYTES + 2 * event.problem.length;
    case "metrics-scraped":
      return ENTRY_BYTES + METRICS_BYTES;
    case "spec-changed":
      return ENTRY_BYTES + SPEC_BYTES;
    default:
      return 2 * ENTRY_BYTES;
  }
}

export function bytesOfActions(actions: readonly VmAction[]): number {
  let bytes = 0;
  for (const action of actions) {
    bytes += ACTION_BYTES;
    if (action.kind === "send-frame") bytes += 2 * action.text.length;
    if (action.kind === "explain") bytes += NOTE_BYTES + 2 * action.note.message.length;
  }
  return bytes;
}
