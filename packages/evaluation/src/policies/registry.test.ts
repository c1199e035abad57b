// Names, settings and what is said about wrong ones; and that every policy can be run.
import { describe, expect, test } from "vitest";
import { run } from "../run.ts";
import { blank, NO_TROUBLE, type Workload } from "../workload.ts";
import { POLICIES, policyByName } from "./registry.ts";

/** Ten minutes with a burst of CPU and of memory. */
function burst(): Workload {
  const ticks = 2_400;
  const parts = blank(ticks);
  for (let tick = 0; tick < ticks; tick += 1) {
    const isBurst = tick >= 800 && tick < 1_000;
    parts.cpu[tick] = isBurst ? 3 : 0.2;
    parts.anonGib[tick] = isBurst ? 2 : 0.4;
    parts.workingSetGib[tick] = 1;
    parts.readGibPerSec[tick] = 0.05;
  }
  const min = { cpu: 0.25, memGib: 1 };
  const max = { cpu: 4, memGib: 16 };
  const named = { name: "burst", source: "hand", seed: 1, ticks, min, max };
  return { ...named, ...parts, hints: [], trouble: NO_TROUBLE };
}

/** The name, or what is wrong. */
function outcome(text: string): string {
  const choice = policyByName(text);
  return choice.kind === "policy" ? choice.name : choice.problem;
}

describe("every policy", () => {
  test.for(POLICIES.map(({ name }) => name))("%s runs, and twice the same", (name) => {
    const choice = policyByName(name);
    if (choice.kind === "problem") throw new Error(choice.problem);
    const policy = choice.policyFor(burst());
    expect(policy.name).toBe(name);
    const score = run(burst(), policy);
    expect(Number.isFinite(score.cost)).toBe(true);
    // Never cheaper than the least size, never dearer than the largest.
    expect(score.provisioned).toBeGreaterThanOrEqual(600 * (0.25 * 2.78 + 0.305));
    expect(score.provisioned).toBeLessThanOrEqual(600 * (4 * 2.78 + 16 * 0.305) + 1e-6);
    expect(run(burst(), policy)).toEqual(score);
  });

  test("has a range around each default", () => {
    for (const { settings } of POLICIES) {
      for (const spec of Object.values(settings)) {
        expect(spec.min).toBeLessThanOrEqual(spec.default);
        expect(spec.max).toBeGreaterThanOrEqual(spec.default);
      }
    }
  });

  test("has a name of its own", () => {
    expect(new Set(POLICIES.map(({ name }) => name)).size).toBe(POLICIES.length);
  });
});

describe("settings", () => {
  test("change what is wanted", () => {
    const all = [policyByName("target"), policyByName("target:share=0.5,hold=60")];
    const [plain, set] = all.map((choice) =>
      choice.kind === "policy" ? run(burst(), choice.policyFor(burst())).provisioned : NaN,
    );
    expect(plain).not.toBe(set);
    expect(set).toBeGreaterThan(0);
  });

  test.for([
    ["neon:blend=0.25", "neon:blend=0.25"],
    ["target:hold=60,share=0.5", "target:share=0.5,hold=60"],
    ["target:share=0.7", "target"],
  ] as const)("%s is called %s", ([text, name]) => {
    expect(outcome(text)).toBe(name);
  });
});

describe("wrong names and settings", () => {
  const known = POLICIES.map(({ name }) => name).join(", ");

  test.for([
    ["noen", `there is no policy "noen", did you mean "neon"? known: ${known}`],
    ["static-p99", `there is no policy "static-p99", did you mean "static-p95"? known: ${known}`],
    ["Senpai", `there is no policy "Senpai", did you mean "senpai"? known: ${known}`],
    ["cleverest", `there is no policy "cleverest"; known: ${known}`],
    ["", `there is no policy ""; known: ${known}`],
    [
      "target:shar=0.5",
      'target: there is no setting "shar", did you mean "share"? known: share, window, hold, tolerance',
    ],
    ["static-max:share=1", 'static-max: there is no setting "share": nothing can be set'],
    ["vpa:toString=1", 'vpa: there is no setting "toString"; known: halfLife, margin, settle'],
    ["target:", 'target: "" is not of the form setting=value'],
    ["target:share", 'target: "share" is not of the form setting=value'],
    ["target:hold=1,hold=2", 'target: setting "hold" is given twice'],
    ["target:share=", 'target: setting "share" is "", expected a number from 0.05 to 1 (share)'],
    ["target:share=2", 'target: setting "share" is "2", expected a number from 0.05 to 1 (share)'],
    ["target:hold=NaN", 'target: setting "hold" is "NaN", expected a number from 0 to 86400 (s)'],
    ["neon:lfc=0.5", 'neon: setting "lfc" is "0.5", expected a whole number from 0 to 1 (0 or 1)'],
  ] as const)("%s", ([text, problem]) => {
    expect(outcome(text)).toBe(problem);
  });
});
