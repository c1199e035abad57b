// Runs policies on a workload and keeps what happened at every tick, packed for a page.
import { deflateRawSync } from "node:zlib";
import {
  PRICES,
  run,
  runClairvoyant,
  sizeForUsable,
  TICK_SEC,
  type Score,
  type Workload,
} from "@selfscale/evaluation";
import { type MachineOptions } from "../options.ts";
import { figure } from "../table.ts";
import { policyFor, runOptionsOf } from "../task.ts";
import { type Packed, type PageData, type PagePolicy } from "./page-data.ts";

const SEC_PER_HOUR = 3_600;
/** A value is kept to this part of its unit: what differs by less looks the same, and packs well. */
const GRAIN = 1 / 1024;

const SCORE_HEAD = [
  { name: "× clairvoyant", help: "money and pain together, by those of who knows the future" },
  { name: "paid CU·h", help: "priced per dimension" },
  { name: "J CU·h", help: "money and pain together" },
  { name: "OOM", help: "visits of the OOM killer" },
  { name: "resizes/h", help: "" },
  { name: "delay ms", help: "mean time that work waits" },
  { name: "p99 ms", help: "99th percentile of the time that work waits" },
  { name: "refault GiB", help: "file pages read again" },
];

/** `progress`: called with the name of each policy as it begins. */
export function collect(
  workload: Workload,
  policies: readonly string[],
  { machine, notes }: Readonly<{ machine: MachineOptions; notes: readonly string[] }>,
  progress: (policy: string) => void,
): PageData {
  const { name, seed, ticks, max } = workload;
  const reference = runClairvoyant(workload, runOptionsOf(machine));
  const hours = figure((ticks * TICK_SEC) / SEC_PER_HOUR);
  const size = `up to ${max.cpu} vCPU and ${max.memGib} GiB, ${machine.swapGib} GiB swap`;
  return {
    title: name,
    facts: [`${hours} h`, size, `${machine.actuator} actuator`, `seed ${seed}`],
    notes,
    ticks,
    tickSec: TICK_SEC,
    prices: { perCpu: PRICES.perCpuSec, perGib: PRICES.perGibSec },
    demand: {
      cpu: pack(workload.cpu),
      anonGib: pack(workload.anonGib),
      memGib: pack(neededGib(workload)),
    },
    scoreHead: SCORE_HEAD,
    policies: policies.map((policy) => {
      progress(policy);
      return storyOf(workload, policy, { machine, reference });
    }),
  };
}

/** The size in which processes, the working set and the kernel fit, within the bounds. */
function neededGib({ anonGib, workingSetGib, readGibPerSec, min, max }: Workload): Float32Array {
  return anonGib.map((anon, tick) => {
    const cache = (readGibPerSec[tick] ?? 0) > 0 ? (workingSetGib[tick] ?? 0) : 0;
    return Math.min(Math.max(sizeForUsable(anon + cache), min.memGib), max.memGib);
  });
}

function storyOf(
  workload: Workload,
  name: string,
  { machine, reference }: Readonly<{ machine: MachineOptions; reference: Score }>,
): PagePolicy {
  const series = () => new Float32Array(workload.ticks);
  const [cpu, wantCpu, memGib, wantMemGib] = [series(), series(), series(), series()];
  const [paid, waitMs] = [series(), series()];
  const oomTicks: number[] = [];
  const policy = policyFor(name, workload);
  const score = run(workload, policy, runOptionsOf(machine), (seen, _want, tick) => {
    cpu[tick] = seen.cpu.now;
    wantCpu[tick] = seen.heard.cpu;
    memGib[tick] = seen.mem.now;
    wantMemGib[tick] = seen.heard.memGib;
    paid[tick] = PRICES.perCpuSec * seen.cpu.paid + PRICES.perGibSec * seen.mem.paid;
    waitMs[tick] = (1000 * seen.queue.backlog) / seen.cpu.now;
    if (seen.guest.oomKills > oomTicks.length) oomTicks.push(tick);
  });
  return {
    name,
    scores: [
      figure(score.cost / reference.cost),
      figure(score.provisioned / SEC_PER_HOUR),
      figure(score.cost / SEC_PER_HOUR),
      String(score.oomKills),
      figure(score.resizesPerHour),
      figure(score.meanDelaySec * 1000),
      figure(score.p99DelaySec * 1000),
      figure(score.missGib),
    ],
    ...{ cpu: pack(cpu), wantCpu: pack(wantCpu) },
    ...{ memGib: pack(memGib), wantMemGib: pack(wantMemGib) },
    ...{ paid: pack(paid), waitMs: pack(waitMs) },
    oomTicks,
  };
}

function pack(values: Float32Array): Packed {
  const coarse = values.map((value) => Math.round(value / GRAIN) * GRAIN);
  return deflateRawSync(new Uint8Array(coarse.buffer)).toString("base64");
}
