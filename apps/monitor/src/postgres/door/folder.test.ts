import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { DoorFolder } from "./folder.ts";

const modeOf = (file: string) => (fs.statSync(file).mode & 0o777).toString(8);

test("a service's umask closes nothing that PostgreSQL must read or come through", () => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "door-folder-"));
  onTestFinished(() => fs.rmSync(dir, { recursive: true }));
  const before = process.umask(0o077);
  onTestFinished(() => void process.umask(before));
  const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  const root = path.join(dir, "root");
  const folder = DoorFolder.prepare(root, 5432, owner, () => undefined);
  folder.writeState({});
  folder.writeAnswer(7, {});
  expect(modeOf(root)).toBe("755");
  expect(modeOf(folder.path)).toBe("750");
  expect(modeOf(path.join(folder.path, "bell"))).toBe("700");
  for (const name of ["state.json", "answer-7.json"]) {
    expect(modeOf(path.join(folder.path, name))).toBe("640");
  }
});
