// The commands as they are typed, from the bundle: what they print, their exit codes, and the same on one core and two.
import { execFile } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bundleOf, type Bundle } from "../testing/bundle.ts";

let folder = "";
let lab: Bundle;

beforeAll(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "lab-replay-"));
  lab = await bundleOf("lab");
  write("shares.csv", `t_s,cpu_pct\n${rows(12, (n) => `${n * 300},${20 + 5 * (n % 3)}`)}`);
  write("cores.csv", `t_s,cpu,mem_gib\n${rows(600, (n) => `${n},${n < 300 ? 0.5 : 3},1`)}`);
  write("bad.csv", "t_s,cpu\n0,1\n1,NaN\n");
});
afterAll(() => {
  lab.remove();
  fs.rmSync(folder, { recursive: true });
});

function rows(count: number, row: (n: number) => string): string {
  return `${Array.from({ length: count }, (_, n) => row(n)).join("\n")}\n`;
}

function write(name: string, text: string): void {
  fs.writeFileSync(path.join(folder, name), text);
}

type Ran = Readonly<{ code: number | string; out: string; err: string }>;

function run(...args: readonly string[]): Promise<Ran> {
  return new Promise((resolve) => {
    const options = { cwd: folder, maxBuffer: 1e8 };
    execFile(process.execPath, [lab.file, ...args], options, (error, out, err) => {
      resolve({ code: error === null ? 0 : (error.code ?? "killed"), out, err });
    });
  });
}

test("replay prints a table, and what it repaired or invented", async () => {
  const args = ["shares.csv", "--cpus", "4", "--policy", "neon:blend=0.25", "static-max"];
  const { code, out, err } = await run("replay", ...args);
  expect(code).toBe(0);
  const lines = out.split("\n");
  expect(lines[0]).toBe("shares, seed 1, 1.00 h; costs in CU·h");
  expect(lines[1]).toMatch(/^policy +paid +unit bill +J +OOM/);
  // 4 vCPU and 16 GiB for an hour.
  expect(lines[3]).toMatch(/^static-max +16\.0 +16\.0/);
  expect(lines[2]).toMatch(/^neon:blend=0\.25 /);
  expect(lines[4]).toMatch(/^clairvoyant .* 1\.00$/);
  expect(err).toContain("shares.csv: a point every 300 s: noise");
  expect(err).toContain("shares.csv: no column mem:");
});

test("replay as JSON holds every score, and is the same each time", async () => {
  const args = ["replay", "cores.csv", "--policy", "static-max", "--json", "--actuator", "slow"];
  const { code, out, err } = await run(...args);
  const { runs } = JSON.parse(out) as { runs: { workload: string; scores: { score: object }[] }[] };
  expect(code).toBe(0);
  expect(runs[0]?.workload).toBe("cores");
  expect(runs[0]?.scores[0]?.score).toMatchObject({ oomKills: 0, resizes: 0 });
  expect(err).toContain("cores.csv: taken as a machine of 3 vCPU");
  expect((await run(...args)).out).toBe(out);
});

test("compare gives the same on one thread and on two", async () => {
  const policies = ["--policy", "neon", "static-p95"];
  const rest = ["--synthetic", "cron", "herd", "--seeds", "1..2", "--hours", "0.2", "--json"];
  const args = ["compare", "cores.csv", ...policies, ...rest];
  const [one, two] = await Promise.all([run(...args, "--jobs", "1"), run(...args, "--jobs", "2")]);
  expect([one.code, two.code]).toEqual([0, 0]);
  expect(two.out).toBe(one.out);
  type Group = { name: string; workloads: number; rows: { policy: string }[] };
  const { groups, runs } = JSON.parse(one.out) as { groups: Group[]; runs: unknown[] };
  expect(groups.map(({ name, workloads }) => [name, workloads])).toEqual([
    ["synthetic", 4],
    ["traces", 2],
  ]);
  expect(groups[0]?.rows.map(({ policy }) => policy)).toEqual(["neon", "static-p95"]);
  expect(runs).toHaveLength(6);
  expect(one.err).toContain("6 of 6 workloads");
});

test("a trace that a thread can't use is told like any other", async () => {
  const args = ["compare", "cores.csv", "bad.csv", "--policy", "static-max", "--baseline"];
  const { code, out, err } = await run(...args, "static-max", "--seeds", "1", "--jobs", "2");
  expect([code, out]).toEqual([1, ""]);
  expect(err).toContain("selfscale-lab: bad.csv: line 3, cpu: found NaN, expected a number");
});

test("compare in Markdown, and every score in a file", async () => {
  const args = ["cores.csv", "--policy", "static-max", "--seeds", "1", "--markdown"];
  const { out } = await run("compare", ...args, "--save", "scores.json");
  const saved = fs.readFileSync(path.join(folder, "scores.json"), "utf8");
  expect(saved).toBe((await run("compare", ...args.slice(0, -1), "--json")).out);
  const { code, err } = await run("compare", ...args, "--save", "nowhere/scores.json");
  expect(code).toBe(1);
  expect(err).toContain("nowhere/scores.json: can't be written (ENOENT)");
  expect(out).toContain("| policy     | prov × |");
  expect(out).toContain("| ---------- | -----: |");
  expect(out).toContain("against neon, 95 % intervals");
});

test("the clairvoyant: what it costs, and that waiting can only save", async () => {
  const { code, out } = await run("clairvoyant", "cores.csv", "--opt-star", "--json");
  expect(code).toBe(0);
  type Told = {
    sizes: { cpu: { least: number; most: number } };
    star: Record<"optZero" | "optStar" | "bound", number>;
  };
  const [told] = (JSON.parse(out) as { runs: Told[] }).runs;
  expect(told?.sizes.cpu).toMatchObject({ least: 0.5, most: 3 });
  // 300 s at half a vCPU and 300 s at three, and one resize.
  expect(told?.star.optZero).toBeCloseTo(2.78 * 300 * 3.5 + 0.5, 6);
  expect(told?.star.optStar).toBeLessThanOrEqual(told?.star.optZero ?? 0);
  expect(told?.star.bound).toBeLessThanOrEqual(told?.star.optStar ?? 0);
  expect((await run("clairvoyant", "cores.csv", "--opt-star")).out).toContain("OPT* CU·h");
});

test("chart without the build's page says so", async () => {
  const { code, err } = await run(
    "chart",
    "cores.csv",
    "--policy",
    "static-max",
    "--out",
    "x.html",
  );
  expect([code, fs.existsSync(path.join(folder, "x.html"))]).toEqual([1, false]);
  expect(err).toContain("the page is made by the build");
});

test.for([
  { args: ["replay", "nowhere.csv"], code: 1, says: "nowhere.csv: can't be read (ENOENT)" },
  { args: ["replay", "."], code: 1, says: ".: can't be read (EISDIR)" },
  { args: ["replay", "shares.csv"], code: 1, says: "say of how many vCPUs: --cpus" },
  { args: ["replay", "bad.csv"], code: 1, says: "bad.csv: line 3, cpu: found NaN" },
  { args: ["replay"], code: 2, says: "missing required argument 'traces'" },
  { args: ["replay", "x", "--policy", "nein"], code: 2, says: 'there is no policy "nein"' },
  { args: ["replay", "x", "--policy", "neon:lag=x"], code: 2, says: 'setting "lag" is "x"' },
  { args: ["replay", "x", "--policy", "neon:x=1"], code: 2, says: 'no setting "x"' },
  { args: ["replay", "x", "--cpus", "0"], code: 2, says: "expected a number above 0" },
  { args: ["replay", "x", "--swap", "-1"], code: 2, says: "expected a number from 0" },
  { args: ["replay", "x", "--actuator", "ideal"], code: 2, says: "Allowed choices are fast, slow" },
  { args: ["compare"], code: 2, says: "no traces, no --synthetic" },
  {
    args: ["compare", "--synthetic", "nix"],
    code: 2,
    says: "no synthetic workload nix; there are",
  },
  { args: ["compare", "x", "--seeds", "9..1"], code: 2, says: "two as in 101..200" },
  { args: ["compare", "x", "--baseline", "nix"], code: 2, says: 'there is no policy "nix"' },
  { args: ["compare", "x", "--jobs", "0"], code: 2, says: "expected a number from 1" },
  { args: ["chart", "x"], code: 2, says: "required option '--out <file>'" },
  { args: ["chart", "--out", "y"], code: 2, says: "one trace, or --synthetic and a name" },
  { args: ["record", "--out", "y"], code: 2, says: "say --socket or --from, and not both" },
  {
    args: ["record", "--from", "no.jsonl", "--out", "y"],
    code: 1,
    says: "no.jsonl: can't be used",
  },
])("says what is wrong: $args", async ({ args, code, says }) => {
  const ran = await run(...args);
  expect([ran.code, ran.out]).toEqual([code, ""]);
  expect(ran.err).toContain(says);
  expect(ran.err).not.toContain("    at ");
});
