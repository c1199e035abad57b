// The kit can fail: each defect of a monitor is noticed by the checks of the rule that it breaks, and by no others. What
// only time can show is in monitor-slow.test.ts.
import { beforeAll, describe, expect, test } from "vitest";
import { judgeMonitor, idsOf, notPassed } from "../testing/judge.ts";
import { DEFECTS, isNoticed, SLOW_DEFECTS, type Defect } from "../testing/monitor-defects.ts";
import { ScriptedMonitor } from "../testing/scripted-monitor.ts";
import { type Check } from "./check.ts";
import { QUICK_MONITOR_CHECKS, SLOW_MONITOR_CHECKS } from "./monitor-checks.ts";
import { type MonitorSubject } from "./monitor-subject.ts";
import { type Result } from "./run.ts";

const TOKEN = "s3cret";
/** Runs at once. More of them would make late what they judge by time. */
const AT_ONCE = 24;
/** They watch for seconds: run for the defects that they must notice, and once for none. */
const WATCHES = ["v1/upscale-request", "v1/nothing-newer", "v2/rate"];

type Job = Readonly<{ defect: Defect | null; checks: readonly Check<MonitorSubject>[] }>;

const isNoticedBy = (defect: Defect) =>
  QUICK_MONITOR_CHECKS.filter(({ id }) => isNoticed(defect, id));
/** Those with most failures first: a check that fails has often waited for what never came. */
const ROWS = (Object.keys(DEFECTS) as (keyof typeof DEFECTS)[])
  .sort((a, b) => isNoticedBy(b).length - isNoticedBy(a).length)
  .map((defect) => {
    const isWorthIt = ({ id }: { id: string }) => !WATCHES.includes(id) || isNoticed(defect, id);
    return { defect, checks: QUICK_MONITOR_CHECKS.filter(isWorthIt) };
  });
const results = new Map<Defect | null, readonly Result[]>();

/** Most of a run is waiting, so many run at once. */
beforeAll(async () => {
  const queue: Job[] = [{ defect: null, checks: QUICK_MONITOR_CHECKS }, ...ROWS];
  const work = async () => {
    for (let job = queue.shift(); job !== undefined; job = queue.shift()) {
      const { defect, checks } = job;
      const monitor = new ScriptedMonitor({ defect, token: TOKEN });
      try {
        results.set(defect, await judgeMonitor(await monitor.listen(), checks, { token: TOKEN }));
      } finally {
        await monitor.stop();
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}, 120_000);

test("a monitor without defects passes", () => {
  expect(notPassed(results.get(null) ?? [])).toEqual([]);
  expect(results.get(null)).toHaveLength(QUICK_MONITOR_CHECKS.length);
});

describe("is noticed", () => {
  test.for(ROWS)("$defect", ({ defect }) => {
    const seen = results.get(defect) ?? [];
    const expected = isNoticedBy(defect).map(({ id }) => id);
    expect(expected).not.toEqual([]);
    expect(idsOf(seen, "fail"), notPassed(seen).join("\n")).toEqual(expected);
  });
});

test("each check notices one defect at least", () => {
  const all = [...Object.keys(DEFECTS), ...Object.keys(SLOW_DEFECTS)] as Defect[];
  const isIdle = ({ id }: { id: string }) => !all.some((defect) => isNoticed(defect, id));
  expect(
    [...QUICK_MONITOR_CHECKS, ...SLOW_MONITOR_CHECKS].filter(isIdle).map(({ id }) => id),
  ).toEqual([]);
});
