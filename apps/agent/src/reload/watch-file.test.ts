import fs from "node:fs";
import path from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { makeTempDir } from "../testing/temp-dir.ts";
import { PATIENT, until } from "../testing/wait.ts";
import { FileWatch } from "./watch-file.ts";

vi.setConfig(PATIENT);

function startWatch(file: string) {
  const seen = { changes: 0, problems: [] as string[] };
  const watch = new FileWatch(
    file,
    () => (seen.changes += 1),
    (problem) => seen.problems.push(problem),
  );
  onTestFinished(() => watch.close());
  return seen;
}

function makeFile(): string {
  const file = path.join(makeTempDir(), "agent.yaml");
  fs.writeFileSync(file, "one");
  return file;
}

type Writer = (file: string) => void;

test.for<{ name: string; write: Writer; prepare?: Writer }>([
  { name: "written in place", write: (file) => fs.writeFileSync(file, "two") },
  {
    name: "another file moved over it",
    write: (file) => {
      fs.writeFileSync(`${file}.new`, "two");
      fs.renameSync(`${file}.new`, file);
    },
  },
  {
    name: "a link in its folder that leads to another folder, as Kubernetes does",
    prepare: (file) => {
      const folder = path.dirname(file);
      for (const name of ["v1", "v2"]) {
        fs.mkdirSync(path.join(folder, name));
        fs.writeFileSync(path.join(folder, name, "agent.yaml"), name);
      }
      fs.rmSync(file);
      fs.symlinkSync("v1", path.join(folder, "..data"));
      fs.symlinkSync("..data/agent.yaml", file);
    },
    write: (file) => {
      const folder = path.dirname(file);
      fs.symlinkSync("v2", path.join(folder, "..data.new"));
      fs.renameSync(path.join(folder, "..data.new"), path.join(folder, "..data"));
    },
  },
  { name: "removed", write: (file) => fs.rmSync(file) },
])("$name: noticed", async ({ write, prepare }) => {
  const file = makeFile();
  prepare?.(file);
  const seen = startWatch(file);
  write(file);
  await until("the change", () => seen.changes > 0);
  expect(seen.problems).toEqual([]);
});

test("many writes in a row, and other files beside it, are few changes", async () => {
  const file = makeFile();
  const seen = startWatch(file);
  for (let index = 0; index < 50; index += 1) {
    fs.writeFileSync(path.join(path.dirname(file), "other"), String(index));
    fs.writeFileSync(file, `text ${index}`);
  }
  await until("a change", () => seen.changes > 0);
  expect(seen.changes).toBe(1);
});

test("the same text again is no change", async () => {
  const file = makeFile();
  const seen = startWatch(file);
  fs.writeFileSync(file, "one");
  fs.writeFileSync(file, "two");
  await until("the change", () => seen.changes > 0);
  fs.writeFileSync(file, "two");
  fs.writeFileSync(file, "three");
  await until("the next", () => seen.changes > 1);
  expect(seen.changes).toBe(2);
});

test("a folder that can't be watched is said", () => {
  const seen = startWatch(path.join(makeTempDir(), "nowhere", "agent.yaml"));
  expect(seen).toEqual({ changes: 0, problems: ["ENOENT"] });
});
