// Whether the demo kept its promise: judged by QMP and the guest's kernel, and the log only for who agreed to what.
import { type LogLine } from "../harness/agent-process.ts";
import { type GuestView } from "../harness/guest-view.ts";
import { MIB, type TrueSize } from "../harness/truth.ts";

export type Evidence = Readonly<{
  start: TrueSize;
  peakMemBytes: number;
  peakVcpus: number;
  loadCode: number;
  before: GuestView;
  after: GuestView;
  /** The size when it had come back, or when the time for that was over. */
  end: TrueSize;
  endMilliCpu: number;
  /** null: it was not back within the time. */
  backAfterS: number | null;
  log: readonly LogLine[];
  /** Lines of it that are older than the load. */
  beforeLoad: number;
}>;

export const LEAST_GROWTH_BYTES = 1024 * MIB;
export const LEAST_VCPUS = 3;

/** What was promised and did not happen, in words; empty when all is well. */
export function findProblems(seen: Evidence): string[] {
  const problems: string[] = [];
  const grown = (seen.peakMemBytes - seen.start.memBytes) / MIB;
  if (grown < LEAST_GROWTH_BYTES / MIB) problems.push(`memory rose by ${grown} MiB only`);
  if (seen.peakVcpus < LEAST_VCPUS) problems.push(`it had ${seen.peakVcpus} vCPUs at most`);
  if (seen.loadCode !== 0) problems.push(`the load exited with ${seen.loadCode}`);
  const kills = seen.after.oomKills - seen.before.oomKills;
  if (kills !== 0) problems.push(`the guest's kernel killed ${kills} process(es)`);
  if (seen.backAfterS === null) {
    problems.push(`it was still at ${seen.end.memBytes / MIB} MiB long after the load`);
  }
  const unasked = shrinksWithoutConsent(seen.log);
  if (unasked > 0) problems.push(`${unasked} shrink(s) without a consent in the log`);
  if (shrinks(seen.log).length === 0) problems.push("no shrink in the log");
  return problems;
}

/** Each shrink names the question it was agreed to in; that agreement must stand before it. */
function shrinksWithoutConsent(log: readonly LogLine[]): number {
  const agreed = new Set<unknown>();
  let unasked = 0;
  for (const line of log) {
    if (line.reason === "consent-given") agreed.add(dataOf(line)["ask"]);
    if (isShrink(line) && !agreed.has(dataOf(line)["ask"])) unasked += 1;
  }
  return unasked;
}

function shrinks(log: readonly LogLine[]): readonly LogLine[] {
  return log.filter(isShrink);
}

function isShrink(line: LogLine): boolean {
  const { fromBytes, requestedBytes } = dataOf(line);
  return (
    line.reason === "resize-begun" &&
    typeof fromBytes === "number" &&
    typeof requestedBytes === "number" &&
    requestedBytes < fromBytes
  );
}

export function dataOf(line: LogLine): Readonly<Record<string, unknown>> {
  return (line["data"] ?? {}) as Readonly<Record<string, unknown>>;
}
