// How results are told, and how checks are run: on checks that are made up.
import { expect, test } from "vitest";
import { Broken, NotApplicable, type Check, type Line } from "./check.ts";
import { countVerdicts, reportJson, showChecks, showCounts, showResult } from "./report.ts";
import { runChecks, type Profile, type Result } from "./run.ts";

const LINES: readonly Line[] = [
  { atMs: 100, who: "kit", text: '{"min":1,"max":1}\n' },
  { atMs: 101.5, who: "subject", text: "x".repeat(500) },
  { atMs: 1_100, who: "note", text: "closed: 1006" },
];

/** A subject that has said all of this during every check, and counts how often it was tidied. */
class Subject {
  tidied = 0;
  takeLines(): readonly Line[] {
    return LINES;
  }
  tidy(): Promise<void> {
    this.tidied++;
    return Promise.resolve();
  }
}

const checks: readonly Check<Subject>[] = [
  check("a/kept", () => undefined),
  check("a/broken", () => {
    throw new Broken("it said x");
  }),
  check("b/known", () => {
    throw new Broken("it said y");
  }),
  check("b/unseen", () => {
    throw new NotApplicable("nothing came");
  }),
  { ...check("b/crashes", () => undefined), isDangerous: true },
];
const PROFILE: Profile = { name: "p", deviations: { "b/known": "it always says y" } };

function check(id: string, run: () => void): Check<Subject> {
  // Rules may hold what a table of Markdown must not.
  const rule = `The rule ${id} | kept.`;
  return { id, group: "transport", rule, run: () => Promise.resolve().then(run) };
}

async function results(prefix: string | null, mayBeDangerous = true): Promise<readonly Result[]> {
  const only = prefix === null ? null : [prefix];
  const options = { only, mayBeDangerous, profile: PROFILE, onResult: () => undefined };
  return await runChecks(new Subject(), checks, options);
}

test("each verdict is one line, and a failure shows its frames, clipped and timed", async () => {
  const told = (await results(null)).map((one) => showResult({ ...one, tookMs: 1_234 }));
  expect(told.join("")).toBe(
    [
      "pass     1/5  a/kept                                 1.2 s  The rule a/kept | kept.",
      "FAIL     2/5  a/broken                               1.2 s  The rule a/broken | kept.",
      "       it said x",
      '          0.000 → {"min":1,"max":1}',
      `          0.002 ← ${"x".repeat(400)}… (500 characters)`,
      "          1.000 · closed: 1006",
      "known    3/5  b/known                                1.2 s  The rule b/known | kept.",
      "       it always says y",
      "n/a      4/5  b/unseen                               1.2 s  The rule b/unseen | kept.",
      "       nothing came",
      "pass     5/5  b/crashes                              1.2 s  The rule b/crashes | kept.",
      "",
    ].join("\n"),
  );
});

test("the counts add up", async () => {
  const all = await results(null);
  expect(countVerdicts(all)).toEqual({ pass: 2, fail: 1, deviation: 1, "not-applicable": 1 });
  expect(showCounts(all)).toBe("2 passed, 1 failed, 1 known deviations, 1 not applicable\n");
});

test("JSON has the subject, the counts and every check, frames clipped", async () => {
  const report = JSON.parse(reportJson({ monitor: "ws://x" }, await results("a/"))) as {
    counts: unknown;
    checks: { id: string; verdict: string; lines?: Line[] }[];
  };
  expect(report).toMatchObject({ monitor: "ws://x", counts: { pass: 1, fail: 1 } });
  expect(report.checks.map(({ id, verdict }) => [id, verdict])).toEqual([
    ["a/kept", "pass"],
    ["a/broken", "fail"],
  ]);
  expect(report.checks[1]?.lines?.[1]?.text).toHaveLength("… (500 characters)".length + 400);
});

test("the list is a table", () => {
  const [first, , , , last] = showChecks(checks).split("\n").slice(2);
  expect(showChecks(checks)).toContain("| check | group | rule |\n| --- | --- | --- |\n");
  expect(first).toBe("| `a/kept` | transport | The rule a/kept \\| kept. |");
  expect(last).toContain("(only with `--dangerous`)");
});

test("a prefix chooses, the subject is tidied after each check, our own mistakes are thrown", async () => {
  expect((await results("b/")).map(({ id }) => id)).toEqual(["b/known", "b/unseen", "b/crashes"]);
  const subject = new Subject();
  const options = { only: null, mayBeDangerous: true, profile: null, onResult: () => undefined };
  await runChecks(subject, checks, options);
  expect(subject.tidied).toBe(checks.length);
  const mistake = check("c/mistake", () => {
    throw new TypeError("ours");
  });
  await expect(runChecks(subject, [mistake], options)).rejects.toThrow(TypeError);
});
