// The command as it is typed: exit codes, what goes where, and readers that leave early.
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";

let folder = "";
let bundle = "";
const scenario = (name: string) => path.join(import.meta.dirname, `scenarios/${name}.jsonl`);

beforeAll(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "lab-transcript-"));
  bundle = path.join(folder, "lab.cjs");
  await build({
    entryPoints: [fileURLToPath(new URL("../main.ts", import.meta.url))],
    outfile: bundle,
    bundle: true,
    platform: "node",
    target: "node20",
    format: "cjs",
    external: ["bufferutil", "utf-8-validate"],
    logLevel: "error",
  });
});
afterAll(() => fs.rmSync(folder, { recursive: true }));

async function run(args: readonly string[], input = "") {
  const child = spawn(process.execPath, [bundle, "transcript", ...args]);
  let [out, err] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
  child.stdin.end(input);
  const [code] = (await once(child, "close")) as unknown[];
  return { code, out, err };
}

test("a file, and the same from standard input", async () => {
  const file = scenario("a-monitors");
  const told = await run([file]);
  expect(told).toMatchObject({ code: 0, err: "" });
  expect(told.out).toContain("link 3: an agent connects from [fd00::1]:41001");
  expect(await run(["-"], fs.readFileSync(file, "utf8"))).toEqual(told);
  const chosen = await run([file, "--link", "2", "--json"]);
  expect(chosen.code).toBe(0);
  expect(chosen.out).toContain('"link":2');
  expect(chosen.out).not.toContain('"link":3');
});

test("the older part is told first", async () => {
  const file = path.join(folder, "talk.jsonl");
  const whole = fs.readFileSync(scenario("a-monitors"), "utf8");
  const cut = whole.indexOf('{"kind"', 1);
  fs.writeFileSync(`${file}.1`, whole.slice(0, cut));
  fs.writeFileSync(file, whole.slice(cut));
  expect((await run([file])).out).toBe((await run(["-"], whole)).out);
  fs.rmSync(file);
  expect((await run([file])).code).toBe(0);
});

test.for([
  { args: ["/nowhere/talk.jsonl"], problem: "/nowhere/talk.jsonl: can't be read (ENOENT)" },
  { args: [os.tmpdir()], problem: `${os.tmpdir()}: can't be read (EISDIR)` },
  {
    args: [fileURLToPath(import.meta.url)],
    problem: `${fileURLToPath(import.meta.url)}: not a recording: its first line is no header`,
  },
  { args: ["-"], problem: "standard input: not a recording: it is empty" },
])("what can't be read: $problem", async ({ args, problem }) => {
  expect(await run(args)).toEqual({ code: 1, out: "", err: `selfscale-lab: ${problem}\n` });
});

test.for([
  { args: [], problem: "missing required argument 'file'" },
  { args: ["x", "--link", "0"], problem: "expected a number from 1" },
  { args: ["x", "--lnk", "1"], problem: "unknown option '--lnk'" },
])("wrong use: $problem", async ({ args, problem }) => {
  const { code, out, err } = await run(args);
  expect([code, out]).toEqual([2, ""]);
  expect(err).toContain(problem);
});

test("a reader that leaves early is no crash", async () => {
  const [head = "", line = ""] = fs.readFileSync(scenario("two-vms"), "utf8").split("\n");
  const file = path.join(folder, "long.jsonl");
  fs.writeFileSync(file, `${head}\n${`${line}\n`.repeat(20_000)}`);
  const child = spawn(process.execPath, [bundle, "transcript", file]);
  let err = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
  await once(child.stdout, "data");
  child.stdout.destroy();
  expect(await once(child, "close")).toEqual([0, null]);
  expect(err).toBe("");
});
