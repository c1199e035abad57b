// What many VMs cost one agent: how soon it is connected to all of them, what it costs while nothing moves, how soon a
// wish is a command, and what one hostile VM does to the others. The VMs are simulated; agent and sockets are real.
import { setTimeout as pause } from "node:timers/promises";
import { withFleet, type RunningFleet } from "./fleet-agent.ts";
import { type ConnectedAnswer, type CountsAnswer, type GrowAnswer } from "./fleet-peers.ts";
import { type LevelsAnswer } from "./frame-flooder.ts";
import { cpuMsOf, rssBytes, waitMsOf } from "./process-cost.ts";
import { atMost, percentile, round, type Figure, type Section } from "./table.ts";

const COUNTS = [10, 100, 300, 1000];
const GOALS = { connectS: 10, share: 20, p99Ms: 20, rssMB: 200, movedShare: 0.1, movedMs: 2 };
const WISHES_PER_SECOND = 200;
const HOSTILE_FRAMES_PER_SECOND = 10_000;
const SETTLE_MS = 2_000;

/** How long it runs before it is measured, and while it is. Milliseconds. */
export type FleetPatience = Readonly<{ fleetWarmUpMs: number; fleetMs: number }>;

type Steady = Readonly<{
  count: number;
  connectMs: number;
  share: number;
  /** Ready to run, and somebody else had the core: others' work on this machine. Share of time. */
  waitShare: number;
  commandsPerVmSecond: number;
  framesPerVmSecond: number;
  rss: number;
}>;

type Wishes = Readonly<{
  asked: number;
  latenciesMs: readonly number[];
  share: number;
  waitShare: number;
}>;

export async function measureFleet(patience: FleetPatience): Promise<Section> {
  const curve: Steady[] = [];
  let extremes: Figure[] = [];
  for (const count of COUNTS) {
    await withFleet(count, async (fleet) => {
      curve.push(await steady(fleet, patience));
      if (count === COUNTS.at(-1)) extremes = await latencies(fleet, patience);
    });
  }
  return {
    title: `A fleet of ${COUNTS.join(", ")} simulated VMs on one agent, on one core`,
    figures: [...curve.flatMap(curveFigures), ...goalFigures(curve.at(-1)), ...extremes],
    notes: [
      `the agent is its bundle with the flags of its systemd unit, alone on core 0 by taskset; the VMs are simulated: QMP sockets and monitors in one process on another core, plugging at once`,
      `each monitor says its level every 5 s, the agent checks its health as often; ${patience.fleetMs / 1000} s of it after ${patience.fleetWarmUpMs / 1000} s of warming up`,
      "connect: from starting the agent's process until it has shown the last monitor its size",
      "a wish: from the monitor's ScaleRequest for one cell more to the command at QEMU's socket, both in the peers' process",
      "waited: ready to run while others had its core; what they take shows in the latencies too",
    ],
  };
}

async function steady(fleet: RunningFleet, patience: FleetPatience): Promise<Steady> {
  const { count, agentPid, startedAtMs } = fleet;
  const { atMs } = await fleet.peers<ConnectedAnswer>({ kind: "connected" });
  await pause(patience.fleetWarmUpMs);
  const before = await fleet.peers<CountsAnswer>({ kind: "counts" });
  const { share, waitShare } = await costOver(agentPid, () => pause(patience.fleetMs));
  const after = await fleet.peers<CountsAnswer>({ kind: "counts" });
  const perVmSecond = (things: number) => things / count / (patience.fleetMs / 1000);
  return {
    count,
    connectMs: atMs - startedAtMs,
    share,
    waitShare,
    commandsPerVmSecond: perVmSecond(after.commands - before.commands),
    framesPerVmSecond: perVmSecond(after.frames - before.frames),
    rss: rssBytes(agentPid),
  };
}

async function latencies(fleet: RunningFleet, { fleetMs }: FleetPatience): Promise<Figure[]> {
  const calm = await wishes(fleet, fleetMs);
  await pause(SETTLE_MS);
  const [flooded, flood] = await Promise.all([
    wishes(fleet, fleetMs),
    fleet.hostile<LevelsAnswer>({
      kind: "levels",
      perSecond: HOSTILE_FRAMES_PER_SECOND,
      forMs: fleetMs,
    }),
  ]);
  const [p99, floodedP99] = [calm, flooded].map((one) => percentile(one.latenciesMs, 0.99));
  const movedMs = (floodedP99 ?? NaN) - (p99 ?? NaN);
  const isMovedLittle = movedMs < GOALS.movedMs || movedMs < (p99 ?? NaN) * GOALS.movedShare;
  return [
    ...wishFigures(`${WISHES_PER_SECOND} wishes/s`, calm, true),
    ...wishFigures(
      `the same, one VM sending ${HOSTILE_FRAMES_PER_SECOND} frames/s`,
      flooded,
      false,
    ),
    {
      what: "  the others' p99 moves by",
      value: `${round(movedMs)} ms`,
      goal: `< ${GOALS.movedMs} ms or < ${GOALS.movedShare * 100} %`,
      isMet: isMovedLittle,
    },
    {
      what: "  frames it sent",
      value: `${Math.round(flood.sent / (flood.overMs / 1000))} per second`,
    },
    atMost("agent: resident memory at the end", rssBytes(fleet.agentPid) / 1e6, GOALS.rssMB, "MB"),
  ];
}

async function wishes(fleet: RunningFleet, forMs: number): Promise<Wishes> {
  let answer: GrowAnswer | null = null;
  const { share, waitShare } = await costOver(fleet.agentPid, async () => {
    answer = await fleet.peers<GrowAnswer>({ kind: "grow", perSecond: WISHES_PER_SECOND, forMs });
  });
  const { asked, latenciesMs } = answer as unknown as GrowAnswer;
  if (latenciesMs.length === 0) throw new Error(`none of ${asked} wishes became a command`);
  return { asked, latenciesMs, share, waitShare };
}

function wishFigures(what: string, { asked, latenciesMs, ...cost }: Wishes, hasGoal: boolean) {
  const [p50, p99] = [0.5, 0.99].map((share) => percentile(latenciesMs, share));
  const goal = atMost(`${what}: p99 until QEMU is told`, p99 ?? NaN, GOALS.p99Ms, "ms");
  return [
    hasGoal ? goal : { what: goal.what, value: goal.value },
    { what: "  p50, max", value: `${round(p50 ?? NaN)}, ${round(Math.max(...latenciesMs))} ms` },
    { what: "  told, of those asked", value: `${latenciesMs.length} of ${asked}` },
    { what: "  agent's share of the core; waited", value: sayShares(cost) },
  ];
}

/** One line of the curve each. */
function curveFigures(one: Steady): Figure[] {
  const { count, share, connectMs, rss } = one;
  const usPerVmSecond = ((share / 100) * 1e6) / count;
  return [
    {
      what: `${count} VMs: CPU per VM and second`,
      value: `${round(usPerVmSecond)} µs (${sayShares(one)})`,
    },
    {
      what: "  QMP commands, frames per VM and second",
      value: `${round(one.commandsPerVmSecond)}, ${round(one.framesPerVmSecond)}`,
    },
    {
      what: "  resident memory; per VM",
      value: `${round(rss / 1e6)} MB; ${round(rss / 1e3 / count)} kB`,
    },
    { what: "  all connected after", value: `${round(connectMs / 1000)} s` },
  ];
}

function goalFigures(largest: Steady | undefined): Figure[] {
  if (largest === undefined) return [];
  const { count, connectMs, share, rss } = largest;
  return [
    atMost(`${count} VMs: all connected after`, connectMs / 1000, GOALS.connectS, "s"),
    atMost("  steady state, share of the core", share, GOALS.share, "%"),
    atMost("  resident memory", rss / 1e6, GOALS.rssMB, "MB"),
  ];
}

function sayShares({ share, waitShare }: Readonly<{ share: number; waitShare: number }>): string {
  return `${round(share)} % of the core; waited ${round(waitShare)} %`;
}

async function costOver(
  pid: number,
  work: () => Promise<unknown>,
): Promise<Readonly<{ share: number; waitShare: number }>> {
  const [cpuMs, waitMs, beginAt] = [cpuMsOf(pid), waitMsOf(pid), performance.now()];
  await work();
  const overMs = performance.now() - beginAt;
  const shareOf = (ms: number) => (ms / overMs) * 100;
  return { share: shareOf(cpuMsOf(pid) - cpuMs), waitShare: shareOf(waitMsOf(pid) - waitMs) };
}
