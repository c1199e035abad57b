// What monitor and agent cost while nothing happens.
import { setTimeout as pause } from "node:timers/promises";
import { type Guest } from "../harness/guest.ts";
import { withNativeMonitor } from "./native-monitor.ts";
import { anonymousBytes, cpuMsOf, rssBytes } from "./process-cost.ts";
import { withStack } from "./rig.ts";
import { atMost, round, type Section } from "./table.ts";

/** Memory every 100 ms and CPU every 200 ms, the defaults. */
const SAMPLES_PER_SECOND = 10 + 5;
/** sysconf(_SC_CLK_TCK) of every Linux that we run on. */
const TICK_MS = 10;
/** How long it idles before it is measured, and while it is. Milliseconds. */
export type Patience = Readonly<{ warmUpMs: number; idleMs: number }>;
/** Until node has compiled what runs often, it costs several times as much; that is a start, not idleness. */
const START_MS = 20_000;
const EARLY_MS = 30_000;

const GOALS = { anonymousMB: 16, nativeShare: 0.7, guestShare: 12, decisionMs: 1 };
const AGENT_GOALS = { rssMB: 70, share: 1 };

type Cost = Readonly<{ cpuMs: number; overMs: number; memoryBytes: number }>;
type Costs = Readonly<{ early: Cost; settled: Cost }>;

/** The monitor on this machine itself, without a VM and without an agent. */
export async function measureNativeMonitor(patience: Patience): Promise<Section> {
  const { early, settled: cost } = await runNativeMonitor(patience);
  const perSampleMs = cost.cpuMs / ((cost.overMs / 1000) * SAMPLES_PER_SECOND);
  return {
    title: `Monitor natively on this machine, idle for ${Math.round(cost.overMs / 1000)} s`,
    figures: [
      atMost("anonymous memory", cost.memoryBytes / 1e6, GOALS.anonymousMB, "MB"),
      atMost("CPU, share of one core", share(cost), GOALS.nativeShare, "%"),
      { what: "  the same, soon after its start", value: `${round(share(early))} %` },
      atMost("whole CPU time per sample and decision", perSampleMs, GOALS.decisionMs, "ms"),
    ],
    notes: [
      `memory every 100 ms, CPU every 200 ms; no agent is connected; after ${patience.warmUpMs / 1000} s of warming up, the second figure after ${START_MS / 1000} s`,
      "per decision: all its CPU time, node's own and the kernel's reading included ÷ 15 samples a second",
    ],
  };
}

async function runNativeMonitor({ warmUpMs, idleMs }: Patience): Promise<Costs> {
  return await withNativeMonitor([], async ({ pid }) => {
    const costOver = async (forMs: number): Promise<Cost> => {
      const [begin, beginMs] = [cpuMsOf(pid), performance.now()];
      await pause(forMs);
      const overMs = performance.now() - beginMs;
      return { cpuMs: cpuMsOf(pid) - begin, overMs, memoryBytes: anonymousBytes(pid) };
    };
    await pause(START_MS);
    const early = await costOver(Math.min(idleMs, EARLY_MS));
    await pause(Math.max(0, warmUpMs - START_MS - early.overMs));
    return { early, settled: await costOver(idleMs) };
  });
}

/** Two idle guests on one agent: what the agent costs, and a monitor in its guest. */
export async function measureStack({ idleMs }: Patience): Promise<Section> {
  return await withStack(
    {
      guests: [
        { name: "one", identity: "a", monitorArgs: ["--preset", "demo"] },
        { name: "two", identity: "b", monitorArgs: ["--preset", "demo"] },
      ],
    },
    async ({ guest, agent }) => {
      await pause(START_MS);
      const [begin, beginMs] = [cpuMsOf(agent.pid), performance.now()];
      const monitor = await costInGuest(guest, idleMs);
      const overMs = performance.now() - beginMs;
      const ours = { cpuMs: cpuMsOf(agent.pid) - begin, overMs, memoryBytes: rssBytes(agent.pid) };
      return {
        title: `Two idle VMs on one agent, for ${Math.round(overMs / 1000)} s`,
        figures: [
          atMost(
            "monitor in its guest: anonymous memory",
            monitor.memoryBytes / 1e6,
            GOALS.anonymousMB,
            "MB",
          ),
          atMost("monitor in its guest: share of its vCPU", share(monitor), GOALS.guestShare, "%"),
          atMost("agent: resident memory", ours.memoryBytes / 1e6, AGENT_GOALS.rssMB, "MB"),
          atMost("agent: CPU, share of one core", share(ours), AGENT_GOALS.share, "%"),
        ],
        notes: ["the guest's share is of an emulated CPU, in the guest's own time"],
      };
    },
  );
}

/** Two looks by one command in the guest: its own cost falls outside of them. */
async function costInGuest(guest: Guest, forMs: number): Promise<Cost> {
  const { code, stdout, stderr } = await guest.exec(
    `pid=$(cat /run/selfscale/monitor.pid); cat /proc/$pid/stat /proc/uptime
     sleep ${forMs / 1000}; cat /proc/$pid/stat /proc/uptime
     grep ^Anonymous: /proc/$pid/smaps_rollup`,
    { timeoutMs: forMs + 60_000 },
  );
  const [stat, uptime, statAfter, uptimeAfter, anonymous] = stdout.split("\n");
  if (code !== 0 || anonymous === undefined) throw new Error(`the guest did not tell: ${stderr}`);
  const seconds = (line?: string) => Number(line?.split(" ")[0]);
  return {
    cpuMs: cpuMsIn(statAfter ?? "") - cpuMsIn(stat ?? ""),
    overMs: (seconds(uptimeAfter) - seconds(uptime)) * 1000,
    memoryBytes: Number(/(\d+) kB/.exec(anonymous)?.[1]) * 1024,
  };
}

function share({ cpuMs, overMs }: Cost): number {
  return (cpuMs / overMs) * 100;
}

/** utime + stime of a line of /proc/PID/stat; the name before them may hold spaces. */
function cpuMsIn(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}
