// What a monitor that talks too much costs the agent: the real agent, a QEMU without a guest, and the monitor in another
// process.
import { setTimeout as pause } from "node:timers/promises";
import { AgentProcess, type VmLadder } from "../harness/agent-process.ts";
import { until } from "../harness/until.ts";
import { startBareQemu } from "./bare-qemu.ts";
import {
  LAST_LEVEL,
  type Cycle,
  type FlooderOrder,
  type LevelsAnswer,
  type Nonsense,
} from "./frame-flooder.ts";
import { HelperProcess } from "./helper-process.ts";
import { cpuMsOf, rssBytes } from "./process-cost.ts";
import { atMost, percentile, round, type Figure, type Section } from "./table.ts";

const GOALS = { share: 15, ageMs: 1_200, growthMB: 8, cycleShare: 15 };
const PER_SECOND = 10_000;
const NAME = "flooded";
const SETTLE_MS = 3_000;
/**
 * Memory is compared between floods: the first one fills the heap that later ones use again. What still grows then is
 * compiled code; the goal is some 20 bytes per frame, less than anything that could be kept of one.
 */
const FLOODS = 3;

const NONSENSE: Readonly<Record<Nonsense, string>> = {
  garbage: "garbage in frames",
  replies: "replies nobody asked for",
  junk: "bytes that are no frames",
};

export type FramesSize = Readonly<{ floodMs: number; cycles: number }>;

type Rig = Readonly<{
  agent: AgentProcess;
  order: <Answer>(order: FlooderOrder) => Promise<Answer>;
}>;

export async function measureFrames(size: FramesSize): Promise<Section> {
  const flooder = HelperProcess.start("frame-flooder.ts");
  const qemu = await startBareQemu(NAME);
  try {
    const order: Rig["order"] = (what) => flooder.ask(what);
    const { port } = await order<{ port: number }>({ kind: "listen" });
    const agent = await AgentProcess.start({
      node: { cpu: 8, mem: "8Gi" },
      vms: [{ ...qemu.entry, monitor: `ws://127.0.0.1:${port}/monitor` }],
    });
    try {
      return await measure({ agent, order }, size);
    } finally {
      await agent.stop();
    }
  } finally {
    await qemu.end();
    flooder.end();
  }
}

async function measure(rig: Rig, { floodMs, cycles }: FramesSize): Promise<Section> {
  await until("the link is up", async () => (await vm(rig)).link.state === "up");
  await pause(SETTLE_MS);
  const idle = await shareOf(rig, () => pause(floodMs / 2));
  const floods: Flood[] = [];
  while (floods.length < FLOODS) floods.push(await flood(rig, PER_SECOND, floodMs));
  const fullSpeed = await flood(rig, null, floodMs);
  const [first, last] = [floods[0]?.rss ?? NaN, floods.at(-1)?.rss ?? NaN];
  const resident = floods.map(({ rss }) => round(rss / 1e6)).join(", ");
  const worst = floods.reduce((a, b) => (a.share >= b.share ? a : b));
  return {
    title: `Frames from one monitor, ${FLOODS} × ${floodMs / 1000} s of levels, then nonsense`,
    figures: [
      { what: "agent without a flood, share of one core", value: `${round(idle)} %` },
      ...floodFigures(`${PER_SECOND} levels/s`, worst, true),
      atMost(
        `  memory, from flood 1 of ${FLOODS} to the last`,
        (last - first) / 1e6,
        GOALS.growthMB,
        "MB",
      ),
      { what: "  resident after each", value: `${resident} MB` },
      ...floodFigures("levels as fast as they are read", fullSpeed, false),
      ...(await nonsense(rig, "garbage", cycles)),
      ...(await nonsense(rig, "replies", cycles)),
      ...(await nonsense(rig, "junk", cycles)),
      {
        what: "agent's memory at the end",
        value: `${round(rssBytes(rig.agent.pid) / 1e6)} MB`,
      },
    ],
    notes: [
      "taken: read off the socket; told: handed to the VM's machine, the others were replaced by a newer one before",
      "age: from sending a level to the agent's answer to it; one that is not upward waits up to a second by protocol",
      "last: from sending the last level until the agent's status shows it, looked at every 20 ms",
      "the worst of the floods; the link must live through them",
      "nonsense is sent as fast as the socket takes it, by a peer that ignores our close; a cycle is from its first byte to the same on the next connection, the pauses of reconnecting (0.25 to 5 s) included",
    ],
  };
}

type Flood = Readonly<{
  share: number;
  sentRate: number;
  takenRate: number;
  toldRate: number;
  agesMs: readonly number[];
  lastMs: number;
  rss: number;
}>;

async function flood(rig: Rig, perSecond: number | null, forMs: number): Promise<Flood> {
  const before = await vm(rig);
  let answer: LevelsAnswer | null = null;
  const share = await shareOf(rig, async () => {
    answer = await rig.order<LevelsAnswer>({ kind: "levels", perSecond, forMs });
  });
  const { sent, overMs, agesMs, lastAtMs } = answer as unknown as LevelsAnswer;
  const isKnown = async () => {
    const { desired } = await vm(rig);
    return desired?.memBytes === LAST_LEVEL.mem && desired.milliCpu === LAST_LEVEL.cpu * 1000;
  };
  await until("the last level is known", isKnown, { everyMs: 20 });
  const lastMs = Date.now() - lastAtMs;
  const after = await vm(rig);
  await pause(SETTLE_MS);
  const since = (name: string) => (after.counters[name] ?? 0) - (before.counters[name] ?? 0);
  if (since("dials") > 0) throw new Error("the link was lost");
  const rate = (count: number) => count / (overMs / 1000);
  return {
    share,
    sentRate: rate(sent),
    takenRate: rate(since("framesReceived")),
    toldRate: rate(since("framesReceived") - since("framesCoalesced")),
    agesMs,
    lastMs,
    rss: rssBytes(rig.agent.pid),
  };
}

function floodFigures(what: string, flood: Flood, hasGoal: boolean): Figure[] {
  const { share, sentRate, takenRate, toldRate, agesMs, lastMs } = flood;
  const cost = atMost(`${what}: agent's share of one core`, share, GOALS.share, "%");
  const [p50, max] = [percentile(agesMs, 0.5), Math.max(...agesMs)];
  return [
    hasGoal ? cost : { what: cost.what, value: cost.value },
    {
      what: "  sent, taken, told",
      value: `${Math.round(sentRate)}, ${Math.round(takenRate)}, ${Math.round(toldRate)} per second`,
    },
    {
      what: "  age of the level that is known",
      value: `p50 ${round(p50)}, max ${round(max)} ms`,
      ...(hasGoal ? { goal: `≤ ${GOALS.ageMs} ms`, isMet: max <= GOALS.ageMs } : {}),
    },
    { what: "  the last one is known after", value: `${Math.round(lastMs)} ms` },
  ];
}

async function nonsense(rig: Rig, what: Nonsense, count: number): Promise<Figure[]> {
  const before = await vm(rig);
  const agentPid = rig.agent.pid;
  let cycles: readonly Cycle[] = [];
  const [begin, beginAt] = [cpuMsOf(agentPid), performance.now()];
  ({ cycles } = await rig.order<{ cycles: readonly Cycle[] }>({
    kind: "cycles",
    what,
    count,
    agentPid,
  }));
  const [cpuMs, overMs] = [cpuMsOf(agentPid) - begin, performance.now() - beginAt];
  const after = await vm(rig);
  const taken = (after.counters["framesReceived"] ?? 0) - (before.counters["framesReceived"] ?? 0);
  const mean = (of: (cycle: Cycle) => number) =>
    cycles.map(of).reduce((a, b) => a + b, 0) / cycles.length;
  return [
    {
      what: `${NONSENSE[what]}: CPU until hung up, mean of ${count}`,
      value: `${round(mean((cycle) => cycle.cpuMs))} ms within ${round(mean((cycle) => cycle.overMs))} ms`,
    },
    { what: "  frames taken per connection", value: `${Math.round(taken / count)}` },
    { what: "  CPU per cycle", value: `${round(cpuMs / count)} ms of ${round(overMs / count)} ms` },
    atMost("  share of one core", (cpuMs / overMs) * 100, GOALS.cycleShare, "%"),
  ];
}

async function shareOf({ agent }: Rig, work: () => Promise<unknown>): Promise<number> {
  const [begin, beginAt] = [cpuMsOf(agent.pid), performance.now()];
  await work();
  return ((cpuMsOf(agent.pid) - begin) / (performance.now() - beginAt)) * 100;
}

async function vm({ agent }: Rig): Promise<VmLadder> {
  return await agent.vm(NAME);
}
