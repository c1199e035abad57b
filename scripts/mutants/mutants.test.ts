// The mutation check on small examples: what it breaks, how it writes that down, and that it tells the
// mutant that a test notices from the one that none does.
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { instrument } from "./instrument.ts";
import { outcomeOf, reportOf } from "./report.ts";
import { runMutants } from "./run.ts";
import { sample } from "./sample.ts";
import { mutantsOf } from "./sites.ts";
import { problemsOf } from "./survivors.ts";
import { allMutants, type Project } from "./workspace.ts";
import { type Mutant } from "./mutant.ts";

/** Each mutant as "kind: code → mutant". */
function changesOf(code: string): string[] {
  return mutantsOf("a.ts", code).map(({ kind, was, becomes }) =>
    `${kind}: ${was} → ${becomes}`.replace(/\s+/g, " ").trim(),
  );
}

const CHANGES: Readonly<Record<string, readonly string[]>> = {
  "x = a + b * c": [
    "removal: x = a + b * c →",
    "operator: a + b * c → a - b * c",
    "operator: b * c → b / c",
  ],
  'const x = "a" + b': [],
  "const x = a ?? b": ["operator: a ?? b → b"],
  "const x = Math.max(a, b)": ["operator: Math.max(a, b) → Math.min(a, b)"],
  "const x = list.some(isGood)": ["operator: list.some(isGood) → list.every(isGood)"],
  "const x = a < b": ["boundary: a < b → a <= b", "negation: a < b → a >= b"],
  "const x = !a": ["negation: !a → a"],
  "const x = a ? b : c": ["negation: a → !(a)"],
  "const x = 5_000": ["constant: 5_000 → 6000", "constant: 5_000 → 4000"],
  "const x = 0.05": ["constant: 0.05 → 0.06", "constant: 0.05 → 0.04"],
  "const x = { ...state, a: b }": ["removal: { ...state, a: b } → { ...state }"],
  "const x = [...list, a]": ["removal: [...list, a] → [a]", "removal: [...list, a] → [...list]"],
  "const x = [state, [a]]": ["removal: [a] → []"],
  "while (true) { if (a) break; }": [
    "negation: true → !(true)",
    "guard: a → false",
    "negation: a → !(a)",
  ],
  "if (a) say()": ["removal: a → false", "negation: a → !(a)", "removal: say() →"],
  "function f(s: State): State { return g(s); }": ["early-return: → return s;"],
  "function f(s: State): void { say(s); }": ["early-return: → return;", "removal: say(s); →"],
  "type R = readonly [State, readonly A[]]; function f(s: State): R { return g(s); }": [
    "early-return: → return [s, []];",
  ],
  // Left whole: assertions, types, what is never reached.
  'assert(a < 1, "less than one")': [],
  "function assertLess(a) { if (a < 1) throw new Error(a + 1); }": [],
  "type X = 1 | -1": [],
  "const x = move satisfies never": [],
};

test.for(Object.entries(CHANGES))("what is broken: %s", ([code, changes]) => {
  expect(changesOf(code).sort()).toEqual([...changes].sort());
});

/** Runs code that was instrumented with all its mutants, under each of them in turn. */
function answers(code: string): unknown[] {
  const mutants = mutantsOf("a.js", code);
  const written = instrument(
    code,
    mutants.map((mutant, number) => ({ number, mutant })),
  );
  return [-1, ...mutants.keys()].map((active) => {
    const $mutant = (number: number): boolean => number === active;
    // eslint-disable-next-line @typescript-eslint/no-implied-eval, @typescript-eslint/no-unsafe-call -- the code is above
    return new Function("globalThis", `${written}; return f(1, 2);`)({ $mutant }) as unknown;
  });
}

test("many mutants in one file: each switch turns on its own, nested ones too", () => {
  const code = "function f(a, b) { let x = 10; if (a < b) x = a + 3 * b; return x }";
  const names = mutantsOf("a.js", code).map(({ was, becomes }) => `${was} → ${becomes}`);
  const [sound, ...mutated] = answers(code);
  expect(sound).toBe(7);
  expect(Object.fromEntries(names.map((name, index) => [name, mutated[index]]))).toEqual({
    "10 → 20": 7,
    "10 → 0": 7,
    "a < b → false": 10,
    "a < b → !(a < b)": 10,
    "a < b → a <= b": 7,
    "x = a + 3 * b; → ": 10,
    "a + 3 * b → a - 3 * b": -5,
    "3 * b → 3 / b": 2.5,
    "3 → 4": 9,
    "3 → 2": 5,
  });
});

test("a mutant keeps its name when lines move, and equal ones have two names", () => {
  const code = "function f() { return a < b || a < b; }";
  const names = (text: string): string[] => mutantsOf("a.ts", text).map(({ id }) => id);
  expect(names(`// a line more\n\n${code}`)).toEqual(names(code));
  expect(new Set(names(code)).size).toBe(names(code).length);
});

test("the sample is drawn by the seed, and a mutant more displaces at most one", () => {
  const mutants = mutantsOf("a.ts", "const a = [1, 2, 3, 4, 5, 6, 7, 8, 9];");
  const drawn = sample(mutants, 6, 1);
  expect(drawn).toEqual(sample([...mutants].reverse(), 6, 1));
  expect(drawn).not.toEqual(sample(mutants, 6, 2));
  const [one] = mutantsOf("b.ts", "const b = 1;");
  if (one === undefined) throw new Error("a constant offers mutants");
  const kept = sample([...mutants, one], 6, 1).filter((mutant) => drawn.includes(mutant));
  expect(kept.length).toBeGreaterThanOrEqual(5);
});

const CODE = `
export const LEAST = 10;
export function clamp(value: number): number {
  if (value < LEAST) return LEAST;
  return value;
}
export function count(list: readonly number[]): number {
  let index = 0;
  while (index < list.length) index += 1;
  return index;
}
export function untested(): boolean { return true; }
`;
const TEST = `
import { expect, test } from "vitest";
import { clamp, count, LEAST } from "./clamp.ts";
test("clamps", () => {
  expect(clamp(3)).toBe(LEAST);
  expect(clamp(300)).toBe(300);
});
test("counts", () => {
  expect(count([1, 2])).toBe(2);
});
`;

/** A small project of its own, with this repository's packages. Removed after the test. */
function smallProject(files: Readonly<Record<string, string>>): Project {
  const root = mkdtempSync(join(tmpdir(), "mutants-test-"));
  onTestFinished(() => {
    rmSync(root, { recursive: true, force: true });
  });
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  symlinkSync(join(import.meta.dirname, "../../node_modules"), join(root, "node_modules"));
  return { root, mutated: "src", tested: ["src"] };
}

/** By the code and what became of it; the order of the file. */
function pick(mutants: readonly Mutant[], ...changes: readonly string[]): Mutant[] {
  return changes.map((change) => {
    const found = mutants.find(({ was, becomes }) => `${was} → ${becomes}` === change);
    if (found === undefined) throw new Error(`no such mutant: ${change}`);
    return found;
  });
}

test(
  "tests run against mutants: killed, survived, hung, unreached",
  { timeout: 120_000 },
  async () => {
    const project = smallProject({ "src/clamp.ts": CODE, "src/clamp.test.ts": TEST });
    const mutants = pick(
      allMutants(project),
      "value < LEAST → !(value < LEAST)",
      "value < LEAST → value <= LEAST", // equivalent
      "10 → 20", // the test does not say what the least is
      "index += 1; → ",
      "true → false",
    );
    const told: string[] = [];
    let measuredFiles = 0;
    const verdicts = await runMutants(project, mutants, 1, {
      measured: (files) => (measuredFiles = files),
      judged: ({ mutant }) => told.push(mutant.id),
    });
    expect(verdicts.map(({ fate }) => fate)).toEqual([
      "killed",
      "survived",
      "survived",
      "hung",
      "unreached",
    ]);
    expect(verdicts[0]?.by).toContain("src/clamp.test.ts > clamps: expected");
    expect(told).toEqual(mutants.map(({ id }) => id));
    expect(measuredFiles).toBe(1);

    const [, equivalent, unpinned] = mutants.map(({ id, was, becomes }) => ({ id, was, becomes }));
    if (equivalent === undefined || unpinned === undefined) throw new Error("they are above");
    const survivors = [
      { ...equivalent, why: "equivalent: at the least itself both give the least" },
    ];
    const outcome = outcomeOf(verdicts, survivors, []);
    expect(outcome.killedShare).toBe(0.4);
    expect(outcome.unexplained.map(({ mutant }) => mutant.was)).toEqual(["10", "true"]);
    expect(outcome.isGood).toBe(false);
    const report = reportOf(verdicts, survivors, []);
    expect(report).toContain("equivalent: at the least itself both give the least");
    expect(report).toContain(
      "40.0 % of 5 killed (at least 90.0 % wanted), 3 live, 2 of them without",
    );
  },
);

test("tests that fail on the sound code are no measure", { timeout: 60_000 }, async () => {
  const wrong = TEST.replace("toBe(300)", "toBe(301)");
  const project = smallProject({ "src/clamp.ts": CODE, "src/clamp.test.ts": wrong });
  const heard = { measured: () => undefined, judged: () => undefined };
  const run = runMutants(project, allMutants(project).slice(0, 1), 1, heard);
  await expect(run).rejects.toThrow(/fails on the sound code: .*clamps: expected 300 to be 301/);
  expect(existsSync(project.root)).toBe(true);
});

test("good enough: nine in ten are killed, and whoever lives has a reason", () => {
  const mutants = mutantsOf("a.ts", "const a = [1, 2, 3, 4, 5];");
  const verdicts = (alive: number) =>
    mutants.map((mutant, index) => {
      return { mutant, fate: index < alive ? "survived" : "killed", by: null, tookMs: 1 } as const;
    });
  const survivors = mutants.map(({ id, was, becomes }) => {
    return { id, was, becomes, why: "equivalent: an example" };
  });
  expect(outcomeOf(verdicts(1), survivors, []).isGood).toBe(true);
  expect(outcomeOf(verdicts(1), survivors.slice(1), []).isGood).toBe(false);
  expect(outcomeOf(verdicts(2), survivors, []).isGood).toBe(false);
  expect(outcomeOf(verdicts(1), survivors, ["a listed mutant is gone"]).isGood).toBe(false);
  expect(outcomeOf(verdicts(1), survivors, []).outdated).toHaveLength(9);
  expect(outcomeOf([], [], []).isGood).toBe(false);
});

test("a reason must be one, and belong to a mutant that is there", () => {
  const [mutant] = mutantsOf("a.ts", "const a = 1;");
  if (mutant === undefined) throw new Error("a constant offers mutants");
  const { id, was, becomes } = mutant;
  const good = { id, was, becomes, why: "equivalent: nobody reads a" };
  const problems = (...list: Parameters<typeof problemsOf>[0]): string =>
    problemsOf(list, [mutant]).join("\n");
  expect(problems(good)).toBe("");
  expect(problems({ ...good, id: "a.ts:constant:000000" })).toMatch(/no longer exists/);
  expect(problems({ ...good, becomes: "3" })).toMatch(/not what is listed/);
  expect(problems({ ...good, why: "equivalent:" })).toMatch(/the reason must say/);
  expect(problems({ ...good, why: "it does not matter at all" })).toMatch(/the reason must say/);
  expect(problems(good, good)).toMatch(/listed twice/);
});
