// Rules of version 2 that only time can show: a level is said again until it is met, and seldom afterwards.
import { type WireSize } from "../agent-player.ts";
import { demand, NotApplicable, type Check } from "../check.ts";
import { type MonitorSubject } from "../monitor-subject.ts";
import { type Frame } from "../wire.ts";
import { hearLevel, reportOf } from "./scaling.ts";
import { STEP } from "./sizes.ts";

/** Every 4–5 s while actual ≠ desired, and every 30 s when it is met; timers are late. */
const UNMET_MS = { least: 3_500, most: 5_500 };
const MET_MS = { least: 20_000, most: 33_000 };
/** A level that changes more often than this shows nothing about how often it is said. */
const MAX_CHANGES = 4;

export const slowVersion2Checks: readonly Check<MonitorSubject>[] = [
  {
    id: "v2/resend-until-met",
    group: "version 2",
    rule: "A ScaleRequest is sent again every 4–5 s while actual ≠ desired; its ids rise.",
    async run(monitor) {
      const { agent, level } = await hearLevel(monitor);
      agent.keepAlive();
      // First that it has what it wants: a monitor that knew no better would want what it hears next.
      agent.tell("SizeReport", reportOf(level.target));
      await agent.isHeard();
      agent.tell("SizeReport", reportOf(level.target, shortOf(level.target)));
      let last = await nextLevel(agent.wire, monitor.within(UNMET_MS.most));
      for (let changes = 0; ;) {
        const next = await nextLevel(agent.wire, monitor.within(UNMET_MS.most));
        demand(idOf(next) > idOf(last), `the id ${idOf(next)} follows ${idOf(last)}`);
        const pauseMs = Math.round(next.atMs - last.atMs);
        if (isSameTarget(last, next)) {
          demand(pauseMs >= UNMET_MS.least, `the same ScaleRequest again after ${pauseMs} ms`);
          return;
        }
        if (++changes > MAX_CHANGES) throw new NotApplicable("its level never rests");
        last = next;
      }
    },
  },
  {
    id: "v2/rests-when-met",
    group: "version 2",
    rule: "When the level is met, it is sent again every 30 s.",
    async run(monitor) {
      const { agent, level } = await hearLevel(monitor);
      agent.keepAlive();
      let last = level.frame;
      let size: WireSize = level.target;
      for (let changes = 0; ;) {
        agent.tell("SizeReport", reportOf(size));
        const next = await nextLevel(agent.wire, monitor.within(MET_MS.most));
        const pauseMs = Math.round(next.atMs - last.atMs);
        if (pauseMs >= MET_MS.least) return;
        const isNews = !isSameTarget(last, next);
        demand(isNews, `the same ScaleRequest again after ${pauseMs} ms, although it is met`);
        if (++changes > MAX_CHANGES) throw new NotApplicable("its level never rests");
        last = next;
        size = next.json?.target as WireSize;
      }
    },
  },
];

/** One step of CPU less than what is wanted and requested. Wanting still more would not change that: it is the bound. */
function shortOf({ cpu, mem }: WireSize): object {
  const step = { cpu: Math.min(STEP.cpu, cpu / 2), mem: STEP.mem };
  return { actual: { cpu: cpu - step.cpu, mem }, step, cpuUsed: 0, throttledShare: 0 };
}

async function nextLevel(
  wire: Readonly<{
    next: (what: string, is: (frame: Frame) => boolean, ms: number) => Promise<Frame>;
  }>,
  withinMs: number,
): Promise<Frame> {
  return await wire.next("a ScaleRequest", ({ json }) => json?.type === "ScaleRequest", withinMs);
}

function idOf({ json }: Frame): number {
  return Number(json?.id);
}

function isSameTarget(a: Frame, b: Frame): boolean {
  return JSON.stringify(a.json?.target) === JSON.stringify(b.json?.target);
}
