import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ProcFile } from "./proc-file.ts";

let dir = "";
let missing: string[] = [];
const onMissing = (file: string, problem: string) =>
  missing.push(`${path.basename(file)}: ${problem}`);

beforeEach(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), "selfscale-proc-"));
  missing = [];
});
afterEach(() => fs.rmSync(dir, { recursive: true }));

function textOf(file: ProcFile): string | null {
  const seen = file.read();
  return seen === null ? null : seen.bytes.toString("latin1", 0, seen.length);
}

test("a kept descriptor sees what the file says now", () => {
  const name = path.join(dir, "loadavg");
  fs.writeFileSync(name, "one");
  const file = new ProcFile(name, onMissing);
  expect(textOf(file)).toBe("one");
  fs.writeFileSync(name, "three");
  expect(textOf(file)).toBe("three");
  fs.writeFileSync(name, "");
  expect(textOf(file)).toBe("");
  file.close();
});

test("a file that is not there is said once and not tried again", () => {
  const name = path.join(dir, "schedstat");
  const file = new ProcFile(name, onMissing);
  expect(textOf(file)).toBeNull();
  fs.writeFileSync(name, "late");
  expect(textOf(file)).toBeNull();
  expect(missing).toEqual([expect.stringMatching(/^schedstat: ENOENT/)]);
});

test("a failure that may pass is tried again", () => {
  const name = path.join(dir, "meminfo");
  fs.mkdirSync(name); // reading a folder fails with EISDIR
  const file = new ProcFile(name, onMissing);
  expect(textOf(file)).toBeNull();
  expect(textOf(file)).toBeNull();
  fs.rmdirSync(name);
  fs.writeFileSync(name, "back");
  expect(textOf(file)).toBe("back");
  expect(missing).toHaveLength(1);
  file.close();
});

test("files larger than a page are read whole, larger than the buffer up to its end", () => {
  const name = path.join(dir, "vmstat");
  fs.writeFileSync(name, "x".repeat(200_000));
  const file = new ProcFile(name, onMissing);
  expect(file.read()?.length).toBe(65_536);
  fs.writeFileSync(name, "y".repeat(9000));
  expect(textOf(file)).toBe("y".repeat(9000));
  file.close();
});

test.skipIf(!fs.existsSync("/proc/vmstat"))("the real /proc/vmstat comes whole", () => {
  const file = new ProcFile("/proc/vmstat", onMissing);
  const lines = textOf(file)?.trim().split("\n") ?? [];
  expect(lines.length).toBe(fs.readFileSync("/proc/vmstat", "latin1").trim().split("\n").length);
  file.close();
});
