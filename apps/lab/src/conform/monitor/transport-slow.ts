// Rules of the connection that only time can show.
import { performance } from "node:perf_hooks";
import { setTimeout } from "node:timers/promises";
import { Broken, clip, demand, type Check } from "../check.ts";
import { RANGE_V1, type MonitorSubject } from "../monitor-subject.ts";
import { type Wire } from "../wire.ts";

const HANDSHAKE_MS = 4_000;
const MAX_PENDING = 16;
const SILENCE_MS = 20_000;
const POLICY_VIOLATION = 1008;
const TRY_AGAIN_LATER = 1013;
const TAKEOVER_TOKENS = 10;
const TAKEOVER_EVERY_MS = 2_000;
/** Timers are late, and frames travel. */
const TOLERANCE_MS = 1_000;

export const slowTransportChecks: readonly Check<MonitorSubject>[] = [
  {
    id: "transport/unfinished-handshakes",
    group: "transport",
    rule: "At most 16 unfinished handshakes are kept, and an agent gets in although others never finish theirs.",
    async run(monitor) {
      const unfinished: Wire[] = [];
      for (let i = 0; i < MAX_PENDING + 4; i++) unfinished.push(await monitor.connect());
      await (await monitor.agent(1)).isHeard();
      // Which of them had to go is the monitor's choice.
      const open = () => unfinished.filter((wire) => wire.isOpen);
      if (open().length > MAX_PENDING) await open()[0]?.pause(monitor.within(TOLERANCE_MS));
      const count = open().length;
      demand(count <= MAX_PENDING, `it keeps ${count} connections that have sent no range`);
    },
  },
  {
    id: "transport/handshake-deadline",
    group: "transport",
    rule: "The monitor drops an unfinished handshake after 4 s.",
    async run(monitor) {
      const from = performance.now();
      const wire = await monitor.connect();
      const { atMs } = await wire.closing(monitor.within(HANDSHAKE_MS + TOLERANCE_MS));
      const tookMs = Math.round(atMs - from);
      demand(tookMs > HANDSHAKE_MS - TOLERANCE_MS, `it was dropped after ${tookMs} ms already`);
    },
  },
  {
    id: "transport/silence",
    group: "transport",
    rule: "After 20 s without any frame the monitor takes the link for dead and closes it with 1008.",
    async run(monitor) {
      const agent = await monitor.agent(1);
      await agent.isHeard();
      const from = agent.wire.lines.findLast(({ who }) => who === "kit")?.atMs ?? 0;
      const { atMs, code } = await agent.wire.closing(monitor.within(SILENCE_MS + TOLERANCE_MS));
      const tookMs = Math.round(atMs - from);
      demand(tookMs > SILENCE_MS - TOLERANCE_MS, `it closed after ${tookMs} ms already`);
      demand(code === POLICY_VIOLATION, `it closed with ${code}`);
    },
  },
  {
    id: "transport/takeover-bucket",
    group: "transport",
    rule: "Takeovers draw on a bucket of 10, one back per 2 s: a flapping agent is closed with 1013 without a reply, and one that restarted gets in.",
    async run(monitor) {
      let taken = await takeoversOf(monitor);
      if (taken < TAKEOVER_TOKENS) {
        // Somebody took over before this check, and the bucket was not full.
        await monitor.tidy();
        await setTimeout(TAKEOVER_TOKENS * TAKEOVER_EVERY_MS);
        taken = await takeoversOf(monitor);
      }
      demand(taken >= TAKEOVER_TOKENS, `it refused a takeover after ${taken}`);
      await setTimeout(monitor.within(TAKEOVER_EVERY_MS + TOLERANCE_MS));
      const isBack = await takesOver(monitor);
      demand(isBack, `still no takeover ${TAKEOVER_EVERY_MS + TOLERANCE_MS} ms later`);
    },
  },
];

/** How many connections replace one another before one is refused. Throws Broken when they are too many. */
async function takeoversOf(monitor: MonitorSubject): Promise<number> {
  await (await monitor.agent(1)).isHeard();
  const from = performance.now();
  for (let taken = 0; ; taken++) {
    if (!(await takesOver(monitor))) return taken;
    const tookMs = performance.now() - from;
    const isTooMany = taken >= TAKEOVER_TOKENS + Math.ceil(tookMs / TAKEOVER_EVERY_MS);
    demand(!isTooMany, `${taken + 1} takeovers in ${Math.round(tookMs)} ms`);
  }
}

/** Whether a new connection is let in while another is open. Throws Broken when it is refused in another way than it should. */
async function takesOver(monitor: MonitorSubject): Promise<boolean> {
  const wire = await monitor.connect();
  wire.say(RANGE_V1);
  try {
    const reply = await wire.next("a handshake reply", () => true, monitor.within(HANDSHAKE_MS));
    demand(reply.json?.version === 1, `the reply is ${clip(reply.text)}`);
    return true;
  } catch (error) {
    if (!(error instanceof Broken) || wire.closed === null) throw error;
    const { code } = wire.closed;
    demand(code === TRY_AGAIN_LATER, `a takeover was refused with ${code}`);
    return false;
  }
}
