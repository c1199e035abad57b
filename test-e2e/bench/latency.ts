// How long it takes from the sample that shows a need to the command on QEMU's socket.
import { spawn } from "node:child_process";
import { cpus } from "node:os";
import { type LogLine } from "../harness/agent-process.ts";
import { type Stack } from "../harness/stack.ts";
import { MIB } from "../harness/truth.ts";
import { configureMonitor, untilAtRest, withStack } from "./rig.ts";
import { percentile, round, type Figure, type Section } from "./table.ts";

/** What the guest has at rest; QEMU is told what comes on top of it. */
const BASE_BYTES = 512 * MIB;
const GOAL_P50_MS = 150;
const GOAL_P99_MS = 400;

/**
 * Many small growths instead of few large ones, and no patience on the way down: how soon a need is
 * seen and answered does not depend on how much is asked for.
 */
const SMALL_STEPS = `
memory:
  growShare: 0.001
  growMinBytes: 64Mi
  growMaxMinBytes: 64Mi
  surgeFactor: 1
  aheadMs: 0
  holdMs: 500
  calmPressureShare: 1
  pageInMaxBytesPerSec: 64Mi
startHoldMs: 0
shortGrantHoldMs: 0
`;
/** From rest to 2.3 GiB, sixteen steps of 128 MiB away from it. */
const RAMP = "touch-loop --mib 1700 --rate 220";

/** All in milliseconds. */
type Sample = Readonly<{
  /** Of the sample in the guest, when the monitor spoke. */
  ageMs: number;
  /** Half a round trip, from the health check nearest in time. */
  wayMs: number;
  /** From the frame to the command. */
  agentMs: number;
  /** From the command to QEMU's answer. */
  qemuMs: number;
}>;

export type LatencyOptions = Readonly<{ ramps: number; busyRamps: number }>;

export async function measureLatency(options: LatencyOptions): Promise<Section> {
  const { idle, busy } = await withStack(
    {
      guests: [{ name: "latency", monitorArgs: ["--preset", "demo"] }],
      agent: {
        log: { level: "debug" },
        // Shrinks in one slice: they are not what is measured here.
        slice: "2Gi",
        timers: { healthCheckMs: 500, retryMinMs: 500 },
      },
    },
    async (stack) => {
      await configureMonitor(stack, SMALL_STEPS);
      const idle = await ramps(stack, options.ramps);
      const busy = await saturated(() => ramps(stack, options.busyRamps));
      return { idle, busy };
    },
  );
  if (idle.length === 0 || busy.length === 0) throw new Error("no growth was seen in the log");
  return {
    title: "From the sample that shows a need to the QMP command",
    figures: [
      ...figures("otherwise idle machine", idle, true),
      ...figures(`${cpus().length} cores saturated`, busy, false),
    ],
    notes: [
      "age of the sample by the guest's clock + half a round trip + the agent's part; one growth of 128 MiB or more each",
      "the round trip is the nearest health check's; the monitor measures the guest before it answers one",
      "the age does not count reading and deciding themselves; the whole round trip does",
    ],
  };
}

async function ramps(stack: Stack, count: number): Promise<Sample[]> {
  let samples: Sample[] = [];
  const begin = (await stack.agent.log()).length;
  for (let ramp = 0; ramp < count; ramp += 1) {
    await untilAtRest(stack);
    const { code } = await stack.guest.exec(RAMP, { timeoutMs: 120_000 });
    if (code !== 0) throw new Error(`the ramp ended with ${code}`);
    samples = samplesIn((await stack.agent.log()).slice(begin));
    process.stderr.write(`bench: latency: ${samples.length} samples after ramp ${ramp + 1}\n`);
  }
  return samples;
}

/** With a busy process per core beside it. */
async function saturated<T>(measure: () => Promise<T>): Promise<T> {
  const hogs = cpus().map(() =>
    spawn("setpriv", ["--pdeathsig", "KILL", process.execPath, "--eval", "for (;;);"], {
      stdio: "ignore",
    }),
  );
  try {
    return await measure();
  } finally {
    for (const hog of hogs) hog.kill("SIGKILL");
  }
}

type Step = Readonly<{
  now: number;
  event: Readonly<Record<string, unknown>>;
  actions: readonly Readonly<Record<string, unknown>>[];
}>;

type Wish = Readonly<{ at: number; ageMs: number; memBytes: number }>;

/** Reads the agent's trace: each growth of memory, and the wish that it answers. */
function samplesIn(log: readonly LogLine[]): Sample[] {
  const steps = log.filter((line) => line.msg === "step") as unknown as Step[];
  const trips = roundTrips(steps);
  const samples: Sample[] = [];
  let toldBytes = BASE_BYTES;
  let wish: Wish | null = null;
  for (const [index, { now, event, actions }] of steps.entries()) {
    const asked = wishIn(now, event);
    // A level that is said again is not a new need; the first one that wants more counts.
    if (asked !== null && wish === null && asked.memBytes > toldBytes) wish = asked;
    const command = actions.find(({ kind }) => kind === "set-memory");
    if (command === undefined) continue;
    const bytes = BASE_BYTES + Number(command["requestedBytes"]);
    if (bytes > toldBytes && wish !== null && wish.memBytes > toldBytes) {
      const settled = steps.slice(index + 1).find(({ event: later }) => {
        return later["kind"] === "command-settled" && later["attempt"] === command["attempt"];
      });
      samples.push({
        ageMs: wish.ageMs,
        wayMs: nearest(trips, wish.at) / 2,
        agentMs: now - wish.at,
        qemuMs: settled === undefined ? NaN : settled.now - now,
      });
    }
    wish = null;
    toldBytes = bytes;
  }
  return samples;
}

function wishIn(now: number, event: Step["event"]): Wish | null {
  const frame = frameOf(event, "frame-received");
  if (frame?.["type"] !== "ScaleRequest" || typeof frame["ageMs"] !== "number") return null;
  const { mem } = frame["target"] as { mem: number };
  return { at: now, ageMs: frame["ageMs"], memBytes: mem };
}

type Trip = Readonly<{ at: number; ms: number }>;

function roundTrips(steps: readonly Step[]): Trip[] {
  const sent = new Map<unknown, number>();
  const trips: Trip[] = [];
  for (const { now, event, actions } of steps) {
    for (const action of actions) {
      const frame = frameOf(action, "send-frame");
      if (frame?.["type"] === "HealthCheck") sent.set(frame["id"], now);
    }
    const reply = frameOf(event, "frame-received");
    const sentAt = reply?.["type"] === "HealthCheck" ? sent.get(reply["id"]) : undefined;
    if (sentAt !== undefined) trips.push({ at: now, ms: now - sentAt });
  }
  if (trips.length === 0) throw new Error("no health check was answered");
  return trips;
}

function nearest(trips: readonly Trip[], at: number): number {
  const distance = (trip: Trip) => Math.abs(trip.at - at);
  return trips.reduce((best, trip) => (distance(trip) < distance(best) ? trip : best)).ms;
}

function frameOf(
  part: Readonly<Record<string, unknown>>,
  kind: string,
): Readonly<Record<string, unknown>> | null {
  const { text } = part;
  // The handshake reply is a frame too; it has no type.
  if (part["kind"] !== kind || typeof text !== "string") return null;
  return JSON.parse(text) as Record<string, unknown>;
}

function figures(where: string, samples: readonly Sample[], hasGoal: boolean): Figure[] {
  const spread = (what: string, of: (sample: Sample) => number): Figure => {
    const values = samples.map(of).filter((value) => !Number.isNaN(value));
    return {
      what: `  ${what}`,
      value: `p50 ${round(percentile(values, 0.5))}, p99 ${round(percentile(values, 0.99))} ms`,
    };
  };
  const total = samples.map(({ ageMs, wayMs, agentMs }) => ageMs + wayMs + agentMs);
  const [p50, p99] = [percentile(total, 0.5), percentile(total, 0.99)];
  return [
    {
      what: `${where}, ${samples.length} samples`,
      value: `p50 ${round(p50)}, p99 ${round(p99)} ms`,
      ...(hasGoal
        ? {
            goal: `≤ ${GOAL_P50_MS}, ≤ ${GOAL_P99_MS} ms`,
            isMet: p50 <= GOAL_P50_MS && p99 <= GOAL_P99_MS,
          }
        : {}),
    },
    spread("age of the sample", (sample) => sample.ageMs),
    spread("half a round trip", (sample) => sample.wayMs),
    spread("the agent's part", (sample) => sample.agentMs),
    spread("with the whole round trip instead", (sample) => {
      return sample.ageMs + sample.wayMs * 2 + sample.agentMs;
    }),
    spread("QEMU's answer to the command", (sample) => sample.qemuMs),
  ];
}
