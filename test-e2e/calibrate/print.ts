// A calibration as people read it: one line per constant, as a table that documents can hold.
import { type Calibration, type Spread, type Unplugs } from "@selfscale/evaluation";
import { MIB } from "../harness/truth.ts";

type Row = readonly [what: string, unit: string, spread: Spread | null];

export function calibrationLines(calibration: Calibration): string[] {
  const { machine, partialUnplugs } = calibration;
  const load = `load ${machine.loadBefore} before, ${machine.loadAfter} after`;
  return [
    `${machine.cpu}, ${machine.cores} cores, ${Math.round(machine.memBytes / MIB)} MiB, Linux ${machine.kernel}`,
    `QEMU ${machine.qemu}, ${calibration.profile}; guest: ${machine.guest}`,
    `${calibration.measuredAt}, ${load}`,
    "",
    ["what".padEnd(46), ...["n", "median", "p10", "p90"].map((one) => one.padStart(8))].join(" "),
    ...rowsOf(calibration).map(rowLine),
    "",
    unplugLine("idle guest", partialUnplugs.idle),
    unplugLine("memory in use", partialUnplugs.used),
  ];
}

function rowsOf(calibration: Calibration): readonly Row[] {
  const { resizeCost } = calibration;
  const mib = (spread: Spread): Spread => ({
    ...spread,
    median: spread.median / MIB,
    p10: spread.p10 / MIB,
    p90: spread.p90 / MIB,
  });
  const steps = (what: string, list: Calibration["memUpSteps"]): Row[] =>
    list.map((step) => [`${what} ${step.bytes / MIB} MiB`, "ms", step]);
  return [
    ["CPU plug until online", "ms", calibration.cpuUpMs],
    ["  until the guest sees it", "ms", calibration.cpuSeenMs],
    ["CPU online, in the guest", "ms", calibration.cpuOnlineMs],
    ["CPU offline, in the guest", "ms", calibration.cpuOfflineMs],
    ["quota lowered until it holds", "ms", calibration.quotaDownMs],
    ["quota raised until it runs", "ms", calibration.quotaUpMs],
    ...steps("memory plug", calibration.memUpSteps),
    ["memory plug, fixed part", "ms", calibration.memUpFixedMs],
    ["memory plug, rate", "MiB/s", mib(calibration.memUpBytesPerSec)],
    ...steps("memory unplug", calibration.memDownSteps),
    ["memory unplug, fixed part", "ms", calibration.memDownFixedMs],
    ["memory unplug, rate", "MiB/s", mib(calibration.memDownBytesPerSec)],
    ["cost of a CPU plug", "CPU·ms", resizeCost.cpuPlugMs],
    ["cost of a memory plug per 128 MiB", "CPU·ms", resizeCost.memPlugMsPer128MiB],
    ["cost of a memory unplug per 128 MiB", "CPU·ms", resizeCost.memUnplugMsPer128MiB],
    ["page-in, a loop", "MiB/s", mib(calibration.pageInLoopBytesPerSec)],
    ["page-in, one memset", "MiB/s", mib(calibration.pageInMemsetBytesPerSec)],
  ];
}

function rowLine([what, unit, spread]: Row): string {
  const name = `${what}, ${unit}`.padEnd(46);
  if (spread === null) return `${name} not measured: no CPU cgroup here`;
  const { n, median, p10, p90 } = spread;
  return [
    name,
    ...[n, ...[median, p10, p90].map(short)].map((one) => String(one).padStart(8)),
  ].join(" ");
}

function short(value: number): number {
  return Number(value.toPrecision(3));
}

function unplugLine(where: string, { n, partial, doneShare }: Unplugs): string {
  const done = `${Number((doneShare * 100).toFixed(1))} % of the bytes asked for were given`;
  return `unplugs, ${where}: ${partial} of ${n} ended partial; ${done}`;
}
