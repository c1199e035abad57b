// Steps a trace's machine through its events again and compares what comes out with what came out then.
import { stepVm, type MonoMs, type VmEvent, type VmState } from "@selfscale/core";
import * as z from "zod";
import { fromJson, toJson } from "./json.ts";
import { TRACE_VERSION } from "./trace.ts";

/** The text is no trace, or not one that this release can read. */
export class TraceError extends Error {
  override readonly name = "TraceError";
  readonly code = "TRACE_INVALID";
}

export type Replayed = Readonly<{
  vm: string;
  /** Who wrote it. */
  release: string;
  isWhole: boolean;
  steps: number;
  /** Where the first difference is; null: there is none. */
  difference: Readonly<{ line: number; event: string; then: string; now: string }> | null;
}>;

// What is in a state is this program's own business; a state that it can't step is told as such.
const Opaque = z.record(z.string(), z.unknown());
const Header = z.object({
  version: z.literal(TRACE_VERSION),
  vm: z.string(),
  release: z.string(),
  isWhole: z.boolean(),
  state: Opaque,
});
const Event = z.looseObject({ kind: z.string() });
const Line = z.union([
  z.object({ at: z.number(), event: Event, actions: z.array(Event).nullable() }),
  z.object({ at: z.number(), state: Opaque }),
]);

/** Throws TraceError with the number of the line that can't be read. */
export function replayTrace(text: string): Replayed {
  const [first = "", ...lines] = text.trimEnd().split("\n");
  const header = read(Header, first, 1);
  const { vm, release, isWhole } = header;
  const about = { vm, release, isWhole };
  let state = header.state as VmState;
  let steps = 0;
  for (const [index, json] of lines.entries()) {
    const number = index + 2;
    const line = read(Line, json, number);
    if ("state" in line) {
      state = line.state as VmState;
      continue;
    }
    steps += 1;
    const event = line.event as VmEvent;
    const { after, now, hasDied } = outcome(state, event, line.at);
    const then = line.actions === null ? DIED : toJson(line.actions);
    const isSame = line.actions === null ? hasDied : then === now;
    if (!isSame) {
      return { ...about, steps, difference: { line: number, event: toJson(event), then, now } };
    }
    state = after;
  }
  return { ...about, steps, difference: null };
}

const DIED = "the machine died";

/** What the machine does now, as text. A machine that dies leaves the state as it was. */
function outcome(state: VmState, event: VmEvent, at: MonoMs) {
  try {
    const [after, actions] = stepVm(state, event, at);
    return { after, now: toJson(actions), hasDied: false };
  } catch (error) {
    return { after: state, now: `${DIED}: ${String(error)}`, hasDied: true };
  }
}

function read<Schema extends z.ZodType>(schema: Schema, text: string, line: number) {
  try {
    const parsed = schema.safeParse(fromJson(text));
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    const where = issue?.path.join(".") ?? "";
    throw new TraceError(`line ${line}: ${where}: ${issue?.message ?? "not a line of a trace"}`);
  } catch (error) {
    if (error instanceof TraceError) throw error;
    throw new TraceError(`line ${line} is no JSON`, { cause: error });
  }
}
