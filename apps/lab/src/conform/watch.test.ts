// What holds on every connection is judged from what the other checks made the subject say.
import { describe, expect, test } from "vitest";
import { idsOf, judgeMonitor, notPassed } from "../testing/judge.ts";
import { type Defect } from "../testing/monitor-defects.ts";
import { ScriptedMonitor } from "../testing/scripted-monitor.ts";
import { QUICK_MONITOR_CHECKS } from "./monitor-checks.ts";
import { type Result } from "./run.ts";
import { alwaysChecks } from "./watch.ts";

/** Enough to make a monitor say one of everything. */
const STIRRING = [
  "v1/health-check",
  "v1/downscale-request",
  "v1/upscale-request",
  "v2/scale-request",
];

async function judge(defect: Defect | null): Promise<readonly Result[]> {
  const monitor = new ScriptedMonitor({ defect, token: "s3cret" });
  try {
    const stirring = QUICK_MONITOR_CHECKS.filter(({ id }) => STIRRING.includes(id));
    const checks = [...stirring, ...alwaysChecks("monitor")];
    return await judgeMonitor(await monitor.listen(), checks, { token: "s3cret" });
  } finally {
    await monitor.stop();
  }
}

const always = (results: readonly Result[]) => results.filter(({ id }) => id.startsWith("always/"));

test("a good monitor breaks nothing, and what nobody said is not called kept", async () => {
  const results = await judge(null);
  expect(notPassed(results)).toEqual([
    "not-applicable always/complaints: nothing that was said shows it",
    "not-applicable always/resent: nothing that was said shows it",
    "not-applicable always/scale-rate: nothing that was said shows it",
  ]);
});

describe.concurrent("a defect shows wherever it is made to speak", () => {
  test.for<{ defect: Defect; breaks: string }>([
    { defect: "even-ids", breaks: "always/ids" },
    { defect: "answers-twice", breaks: "always/one-answer" },
    { defect: "upscale-at-once", breaks: "always/early" },
    { defect: "wraps-replies", breaks: "always/envelope" },
    { defect: "float-mem", breaks: "always/numbers" },
    { defect: "unknown-reason", breaks: "always/words" },
  ])("$defect", async ({ defect, breaks }) => {
    const results = always(await judge(defect));
    expect(idsOf(results, "fail")).toContain(breaks);
    const verdict = results.find(({ id }) => id === breaks)?.verdict;
    expect(verdict?.kind === "fail" ? verdict.lines : []).not.toEqual([]);
  });
});
