import { execFile } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { RecordingRefusedError } from "./file.ts";
import { readRecordings } from "./read.ts";
import { Recorder, type RecorderOptions } from "./recorder.ts";
import { makeTempDir } from "./testing/temp-dir.ts";

/** Disks are slow at times; none of this is about speed. */
const PATIENT = { timeout: 20_000 };

type Rig = Readonly<{ recorder: Recorder; file: string; said: string[]; clock: { now: number } }>;

async function start(overrides: Partial<RecorderOptions> = {}): Promise<Rig> {
  const file = overrides.file ?? path.join(makeTempDir(), "talk.jsonl");
  const said: string[] = [];
  const clock = { now: 5_000 };
  const recorder = await Recorder.start({
    file,
    app: "agent",
    release: "1.2.3",
    now: () => clock.now,
    log: {
      info: (_fields, message) => said.push(`info: ${message}`),
      warn: (fields, message) =>
        said.push(`warn: ${message} (${String(Object.entries(fields)[1]?.[1])})`),
    },
    ...overrides,
  });
  onTestFinished(() => recorder.stop());
  return { recorder, file, said, clock };
}

const read = (file: string) => readRecordings(fs.readFileSync(file, "utf8"));
const warnings = ({ said }: Rig) => said.filter((line) => line.startsWith("warn"));

test("what was said is read again: exact, in order, with times and numbers", async () => {
  const rig = await start();
  const { recorder, clock, file } = rig;
  const one = recorder.connection({
    vm: "pg-1",
    address: "wss://me:secret@10.0.0.1:10301/monitor?key=secret#x",
  });
  clock.now += 1.26;
  one.opened();
  one.said('{"min":1,"max":2}');
  const two = recorder.connection({ vm: "pg-2", address: "ws://10.0.0.2/monitor" });
  clock.now += 1_000;
  one.heard('{"version":2}\n');
  one.heard("\u0000\ud83d garbage", true);
  two.closed("peer", 1006, "ECONNREFUSED");
  two.closed("us", 1001, "later words are ignored");
  one.closed("us", 1001, "the agent is stopping");
  recorder.connection({ vm: "pg-2", address: "ws://10.0.0.2/monitor" }).opened();
  await recorder.stop();
  expect(fs.statSync(file).mode & 0o777).toBe(0o600);
  expect(fs.readdirSync(path.dirname(file))).toEqual(["talk.jsonl"]);
  const text = fs.readFileSync(file, "utf8");
  expect(text).not.toContain("secret");
  const [recording, ...more] = readRecordings(text);
  expect(more).toEqual([]);
  expect(recording?.header).toEqual({
    app: "agent",
    release: "1.2.3",
    startedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/) as string,
    pid: process.pid,
    part: 1,
  });
  const first = { vm: "pg-1", link: 1 };
  const frame = { kind: "frame", isBinary: false, clippedFromBytes: null };
  expect(recording?.events).toEqual([
    { atMs: 1.3, ...first, kind: "opened", peer: "wss://10.0.0.1:10301/monitor" },
    { atMs: 1.3, ...first, ...frame, way: "out", text: '{"min":1,"max":2}' },
    { atMs: 1001.3, ...first, ...frame, way: "in", text: '{"version":2}\n' },
    { atMs: 1001.3, ...first, ...frame, way: "in", text: "\u0000\ud83d garbage", isBinary: true },
    {
      ...{ atMs: 1001.3, vm: "pg-2", link: 1, kind: "closed" },
      ...{ by: "peer", code: null, problem: "ECONNREFUSED" },
    },
    {
      ...{ atMs: 1001.3, ...first, kind: "closed" },
      ...{ by: "us", code: 1001, problem: "the agent is stopping" },
    },
    { atMs: 1001.3, vm: "pg-2", link: 2, kind: "opened", peer: "ws://10.0.0.2/monitor" },
  ]);
  expect(rig.said).toEqual(["info: every frame is recorded"]);
});

test("a frame longer than any may be is cut, and says so", async () => {
  const { recorder, file } = await start();
  const tape = recorder.connection({ vm: null, address: "::1:1" });
  tape.heard("é".repeat(20_000));
  tape.heard("x".repeat(32_768));
  await recorder.stop();
  expect(read(file)[0]?.events).toMatchObject([
    { text: "é".repeat(16_384), clippedFromBytes: 40_000 },
    { text: "x".repeat(32_768), clippedFromBytes: null },
  ]);
});

test("never more than two files of the size; each begins with its header", async () => {
  const { recorder, file } = await start({ maxFileBytes: 20_000, maxWaitingChars: 10_000_000 });
  const tape = recorder.connection({ vm: null, address: "127.0.0.1:1" });
  for (let id = 0; id < 500; id += 1) tape.heard(`${id} ${"x".repeat(500)}`);
  await recorder.stop();
  const both = [`${file}.1`, file];
  expect(
    fs.readdirSync(path.dirname(file)).map((name) => path.join(path.dirname(file), name)),
  ).toEqual([...both].sort());
  for (const part of both) {
    const { size, mode } = fs.statSync(part);
    // A chunk that does not fit begins the next file, so none is above the limit but by one chunk alone.
    expect(size).toBeLessThanOrEqual(20_000 + 70_000);
    expect(mode & 0o777).toBe(0o600);
  }
  const [older, newer] = both.flatMap(read);
  expect(newer?.header).toEqual({ ...older?.header, part: (older?.header.part ?? 0) + 1 });
  const ids = [older, newer].flatMap((recording) =>
    (recording?.events ?? []).map((event) => (event.kind === "frame" ? parseInt(event.text) : NaN)),
  );
  expect(ids).toEqual(ids.map((_id, index) => 500 - ids.length + index));
});

test("a recording that is there becomes the older part", async () => {
  const { recorder, file } = await start();
  recorder.connection({ vm: null, address: "127.0.0.1:1" }).opened();
  await recorder.stop();
  const { recorder: next } = await start({ file, release: "next" });
  await next.stop();
  expect([`${file}.1`, file].flatMap(read).map(({ header }) => header.release)).toEqual([
    "1.2.3",
    "next",
  ]);
});

test("a file of somebody else is left alone", async () => {
  const file = path.join(makeTempDir(), "passwd");
  fs.writeFileSync(file, "root:x:0:0\n");
  await expect(start({ file })).rejects.toThrow(`${file}: is there, and is no recording`);
  fs.rmSync(file);
  fs.writeFileSync(`${file}.1`, "root:x:0:0\n");
  await expect(start({ file })).rejects.toThrow(`${file}.1: is there, and is no recording`);
  fs.rmSync(`${file}.1`);
  fs.mkdirSync(file);
  await expect(start({ file })).rejects.toThrow(`${file}: is there, and is no file`);
  expect(fs.readdirSync(path.dirname(file))).toEqual(["passwd"]);
});

test("one writer per file; the lock of a killed one is taken over", async () => {
  const { recorder, file } = await start();
  const refused = start({ file });
  await expect(refused).rejects.toThrow(RecordingRefusedError);
  await expect(refused).rejects.toThrow(`${file}: process ${process.pid} records there already`);
  await recorder.stop();
  // Alive, but another process than the one that took it: it began at another time.
  fs.writeFileSync(`${file}.lock`, `${process.ppid} 1\n`);
  const { recorder: next } = await start({ file });
  await next.stop();
  fs.writeFileSync(`${file}.lock`, ""); // killed between making and filling it
  await (await start({ file })).recorder.stop();
  expect(fs.existsSync(`${file}.lock`)).toBe(false);
});

test("a folder that is not there, or vanishes: one warning each, and it goes on when it can", async () => {
  const folder = path.join(makeTempDir(), "later");
  const rig = await start({ file: path.join(folder, "talk.jsonl") });
  const { recorder, file, clock } = rig;
  const tape = recorder.connection({ vm: null, address: "127.0.0.1:1" });
  for (let id = 0; id < 5; id += 1) tape.heard(`lost ${id}`);
  expect(warnings(rig)).toEqual(["warn: frames can't be recorded (ENOENT)"]);

  fs.mkdirSync(folder);
  clock.now += 11_000;
  tape.heard("kept");
  await expect
    .poll(() => fs.existsSync(file) && fs.readFileSync(file, "utf8"), PATIENT)
    .toContain("kept");
  expect(read(file)[0]?.events).toMatchObject([{ kind: "lost", count: 5 }, { text: "kept" }]);

  clock.now += 60_000;
  tape.heard("all is well");
  await expect.poll(() => rig.said.at(-1), PATIENT).toBe("info: frames are recorded again");

  fs.rmSync(folder, { recursive: true });
  tape.heard("lost 5");
  await expect.poll(() => warnings(rig).length, PATIENT).toBe(2);
  fs.mkdirSync(folder);
  clock.now += 11_000;
  tape.heard("kept again");
  await recorder.stop();
  expect(read(file)[0]?.header.part).toBe(2);
  expect(read(file)[0]?.events).toMatchObject([{ kind: "lost", count: 1 }, { text: "kept again" }]);
});

test("a file that was moved away is begun anew", async () => {
  const { recorder, file } = await start();
  const tape = recorder.connection({ vm: null, address: "127.0.0.1:1" });
  tape.heard("before");
  await expect.poll(() => fs.readFileSync(file, "utf8"), PATIENT).toContain("before");
  fs.renameSync(file, `${file}.moved`);
  tape.heard("after");
  await recorder.stop();
  expect(read(file)[0]).toMatchObject({ header: { part: 2 }, events: [{ text: "after" }] });
});

test("what does not fit into memory is dropped and counted", async () => {
  const { recorder, file } = await start({ maxWaitingChars: 1_000 });
  const tape = recorder.connection({ vm: null, address: "127.0.0.1:1" });
  for (let id = 0; id < 100; id += 1) tape.heard("x".repeat(100));
  await recorder.stop();
  const events = read(file)[0]?.events ?? [];
  const kept = events.filter(({ kind }) => kind === "frame").length;
  const lost = events.reduce((sum, one) => sum + (one.kind === "lost" ? one.count : 0), 0);
  expect(kept).toBeLessThan(20);
  expect(kept + lost).toBe(100);
});

test("a full disk: one warning, no lost minute, and the file can be read", async () => {
  const file = path.join(makeTempDir(), "talk.jsonl");
  const script = fileURLToPath(new URL("testing/full-disk.ts", import.meta.url));
  const limited = `ulimit -f 8; exec "${process.execPath}" --import tsx "${script}" "${file}"`;
  const { stdout } = await promisify(execFile)("bash", ["-c", limited]);
  const { said } = JSON.parse(stdout) as { said: string[] };
  expect(said).toEqual([`frames can't be recorded ${JSON.stringify({ file, problem: "EFBIG" })}`]);
  const [recording] = read(file);
  expect(recording?.events.length).toBeGreaterThan(10);
  expect(recording?.skippedLines).toBe(0);
});
