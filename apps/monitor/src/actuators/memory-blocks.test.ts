import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { MemoryBlockActuator, mustOnlineBlocks } from "./memory-blocks.ts";

let dir = "";
beforeEach(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), "selfscale-blocks-"));
});
afterEach(() => fs.rmSync(dir, { recursive: true }));

test("writes online_movable to each block, and goes on after a refusal", async () => {
  for (const block of [32, 34]) {
    fs.mkdirSync(path.join(dir, `memory${block}`));
    fs.writeFileSync(path.join(dir, `memory${block}`, "state"), "offline");
  }
  const outcome = await new MemoryBlockActuator(dir).online([32, 33, 34]);
  expect(outcome.onlined).toBe(2);
  expect(outcome.error).toMatchObject({ code: "SYSFS_WRITE_FAILED", errno: "ENOENT" });
  for (const block of [32, 34]) {
    expect(fs.readFileSync(path.join(dir, `memory${block}`, "state"), "utf8")).toBe(
      "online_movable",
    );
  }
  expect(fs.existsSync(path.join(dir, "memory33"))).toBe(false);
});

test.for([
  { text: "offline\n", must: true },
  { text: "online\n", must: false },
  { text: "online_movable\n", must: false },
  { text: null, must: false },
])("auto_online_blocks $text", ({ text, must }) => {
  if (text !== null) fs.writeFileSync(path.join(dir, "auto_online_blocks"), text);
  expect(mustOnlineBlocks(dir)).toBe(must);
});
