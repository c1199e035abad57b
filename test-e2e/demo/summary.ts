// The figures under the table: how fast the need was seen, asked for, plugged and usable.
import { type LogLine } from "../harness/agent-process.ts";
import { MIB } from "../harness/truth.ts";
import { dataOf, type Evidence } from "./verdict.ts";

export type MonitorFigures = Readonly<{
  /** What the reserve counts on: a start value until enough reactions were measured. */
  tReactMs: number;
  tReactP99Ms: number | null;
  tReactSamples: number;
  reserveBytes: number;
  rMaxBytesPerSec: number;
}>;

export function summaryLines(
  seen: Evidence,
  monitor: MonitorFigures | null,
  fixed: string,
): string[] {
  const growth = firstGrowth(seen.log.slice(seen.beforeLoad));
  const ms = (value: number | null) =>
    value === null ? "not measured" : `${Math.round(value)} ms`;
  return [
    "",
    "what happened",
    `  need to request    ${monitor === null ? "not told: version 1 has no words for it" : `${ms(growth.ageMs)}   from the sample that showed it to the request`}`,
    `  need to plugged    ${ms(growth.pluggedMs)}   the first growth: QEMU reports the memory`,
    ...(monitor === null
      ? []
      : [
          `  need to usable     ${ms(monitor.tReactP99Ms)}   p99 of ${monitor.tReactSamples} in the guest: MemTotal has risen`,
          `  reserve            ${Math.round(monitor.reserveBytes / MIB)} MiB = ${Math.round(monitor.rMaxBytesPerSec / MIB)} MiB/s x ${Math.round(monitor.tReactMs)} ms, within limits`,
        ]),
    `  peak               ${seen.peakVcpus} vCPUs, ${seen.peakMemBytes / MIB} MiB`,
    `  at the end         ${seen.endMilliCpu / 1000} vCPU, ${seen.end.memBytes / MIB} MiB${seen.backAfterS === null ? "" : `, ${seen.backAfterS.toFixed(0)} s after the load`}`,
    `  processes killed   ${seen.after.oomKills - seen.before.oomKills}`,
    `  at a fixed 512 MiB ${fixed}`,
    "",
  ];
}

/** The first growth of memory in the log: how old its sample was, and when QEMU had it. */
function firstGrowth(log: readonly LogLine[]): { ageMs: number | null; pluggedMs: number | null } {
  const at = (line: LogLine | undefined) => Date.parse(String(line?.["time"]));
  const begun = log.findIndex((line) => {
    const { requestedBytes, fromBytes } = dataOf(line);
    return (
      line.reason === "resize-begun" && requestedBytes !== undefined && fromBytes === undefined
    );
  });
  if (begun === -1) return { ageMs: null, pluggedMs: null };
  const wish = log.slice(0, begun).findLast((line) => line.reason === "level-set");
  const { attempt } = dataOf(log[begun] ?? {});
  const done = log
    .slice(begun)
    .find((line) => line.reason === "resize-done" && dataOf(line)["attempt"] === attempt);
  const age = wish === undefined ? null : dataOf(wish)["ageMs"];
  const ageMs = typeof age === "number" ? age : null;
  if (wish === undefined || done === undefined) return { ageMs, pluggedMs: null };
  return { ageMs, pluggedMs: (ageMs ?? 0) + at(done) - at(wish) };
}
