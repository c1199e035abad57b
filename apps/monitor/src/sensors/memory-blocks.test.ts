import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { MemoryBlockSensor, parseBlockBytes } from "./memory-blocks.ts";

const MIB = 1024 ** 2;
let dir = "";
const missing: string[] = [];
const onMissing = (file: string) => missing.push(file);

beforeEach(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), "selfscale-blocks-"));
  fs.writeFileSync(path.join(dir, "block_size_bytes"), "8000000\n");
  fs.mkdirSync(path.join(dir, "power"));
  missing.length = 0;
});
afterEach(() => fs.rmSync(dir, { recursive: true }));

function setBlock(number: number, state: string): void {
  fs.mkdirSync(path.join(dir, `memory${number}`), { recursive: true });
  fs.writeFileSync(path.join(dir, `memory${number}`, "state"), `${state}\n`);
}

test("counts what is online, names what is not", () => {
  for (const number of [0, 1, 2]) setBlock(number, "online");
  setBlock(33, "offline");
  setBlock(32, "offline");
  setBlock(3, "going-offline");
  const sensor = new MemoryBlockSensor(dir, onMissing);
  expect(sensor.read(100, 0)).toEqual({ blockBytes: 128 * MIB, onlineCount: 4, offline: [32, 33] });
});

test("reads the states again when MemTotal or the number of blocks changed, not more often", () => {
  setBlock(0, "online");
  const sensor = new MemoryBlockSensor(dir, onMissing);
  expect(sensor.read(100, 0)?.onlineCount).toBe(1);
  setBlock(0, "offline");
  expect(sensor.read(100, 1000)?.onlineCount).toBe(1); // nothing says that it changed
  expect(sensor.read(90, 1100)?.onlineCount).toBe(0);
  setBlock(1, "offline");
  expect(sensor.read(90, 1200)?.offline).toEqual([0]); // too soon
  expect(sensor.read(90, 1400)?.offline).toEqual([0, 1]);
  setBlock(1, "online");
  sensor.invalidate();
  expect(sensor.read(90, 1401)?.offline).toEqual([0]);
});

test("the folder is kept open: no path is walked to see that nothing changed", () => {
  setBlock(0, "online");
  const sensor = new MemoryBlockSensor(dir, onMissing);
  expect(sensor.read(100, 0)?.onlineCount).toBe(1);
  fs.renameSync(dir, `${dir}-away`);
  try {
    expect(sensor.read(100, 1000)?.onlineCount).toBe(1);
  } finally {
    fs.renameSync(`${dir}-away`, dir);
    sensor.close();
  }
  expect(missing).toEqual([]);
});

test("a kernel without memory hotplug is said once", () => {
  const sensor = new MemoryBlockSensor(path.join(dir, "absent"), onMissing);
  expect(sensor.read(100, 0)).toBeNull();
  expect(sensor.read(200, 1000)).toBeNull();
  expect(missing).toEqual([path.join(dir, "absent")]);
});

test.for(["", "128M", "0x8000000", "0", "-1"])("block size %j is refused", (text) => {
  expect(() => parseBlockBytes(text)).toThrow("not hexadecimal");
});
