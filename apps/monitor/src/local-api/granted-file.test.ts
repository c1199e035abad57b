// The file alone: what is written comes back, and what can't be believed is said and harms nothing.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type GrantedReservations, type ReservationRequest } from "@selfscale/core";
import { type Log } from "../log.ts";
import { CLAIM_MS, GrantedFile } from "./granted-file.ts";

const MIB = 1024 ** 2;
const DAY_MS = 86_400_000;
const BASE = { usedBytes: 300 * MIB, kernelBytes: 40.5 * MIB, toldBytes: 512 * MIB };

let dir = "";
let file = "";
let warnings: string[] = [];
beforeEach(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), "selfscale-granted-"));
  file = path.join(dir, "monitor.sock.granted");
  warnings = [];
});
afterEach(() => fs.rmSync(dir, { recursive: true }));

const log = { warn: (_: object, text: string) => warnings.push(text) } as unknown as Log;
/** A monitor's: its clock began `startedMs` ago. */
function open(startedMs = 10_000, bootId: string | null = "boot-1"): GrantedFile {
  const origin = performance.now() - startedMs;
  return new GrantedFile({ path: file, bootId, now: () => performance.now() - origin, log });
}

const request = (id: string, more: Partial<ReservationRequest> = {}): ReservationRequest => ({
  ...{ id, door: "http", owner: "anna", reason: "Überprüfung", memBytes: 256 * MIB, milliCpu: 500 },
  ...{ waitUntil: 1_000, holdUntil: null, ifNotGranted: "fail" as const },
  ...more,
});
const granted = (...requests: ReservationRequest[]): GrantedReservations => ({
  base: BASE,
  all: requests.map((one) => ({
    request: one,
    granted: { memBytes: one.memBytes, milliCpu: one.milliCpu },
  })),
});
const save = (what: GrantedReservations, ...alone: string[]) =>
  open().save(what, (id) => alone.includes(id));

/** What is left of each by the clock of the one that reads. */
function left(startedMs = 0) {
  const found = open(startedMs).take();
  return found?.granted.all.map(({ request: { id, holdUntil } }) => [
    id,
    Math.round(((holdUntil ?? Infinity) - startedMs) / 1_000),
  ]);
}

test("comes back as it was, each with its end by the clock of the reader", () => {
  const alone = request("alone", { holdUntil: 10_000 + 600_000 });
  save(granted(request("bound"), alone, request("soon", { holdUntil: 15_000 })), "alone");
  const text = fs.readFileSync(file, "utf8");
  expect(left(3_000_000)).toEqual([
    ["bound", CLAIM_MS / 1_000],
    ["alone", 600],
    ["soon", 5],
  ]);
  fs.writeFileSync(file, text);
  const found = open().take();
  expect(found?.granted.base).toEqual(BASE);
  expect(found?.granted.all[1]).toMatchObject({
    request: { id: "alone", door: "http", owner: "anna", reason: "Überprüfung", milliCpu: 500 },
    granted: { memBytes: 256 * MIB, milliCpu: 500 },
  });
  expect(found?.alone.map(({ id }) => id)).toEqual(["alone"]);
  expect(warnings).toEqual([]);
});

test("is read once: what ends its reader does not meet the next", () => {
  save(granted(request("a")));
  expect(open().take()?.granted.all).toHaveLength(1);
  expect(open().take()).toBeNull();
  expect(fs.readdirSync(dir)).toEqual([]);
});

test("a second restart gives nobody more time to ask again", () => {
  save(granted(request("a")));
  const second = open(0);
  const found = second.take();
  second.save({ ...granted(), all: found?.granted.all ?? [] }, () => false);
  const file2 = JSON.parse(fs.readFileSync(file, "utf8")) as { rows: { endsMs: number }[] };
  const endsInMs = (file2.rows[0]?.endsMs ?? 0) - Number(process.hrtime.bigint()) / 1e6;
  expect(endsInMs).toBeLessThanOrEqual(CLAIM_MS);
});

test("another boot, or one that nobody knows: nothing, without a word", () => {
  save(granted(request("a")));
  expect(open(0, "boot-2").take()).toBeNull();
  open(0, null).save(granted(request("a")), () => false);
  expect(fs.existsSync(file)).toBe(false);
  expect(warnings).toEqual([]);
});

test("the same again is not written again; nothing left leaves no file", () => {
  const one = open();
  one.save(granted(request("a")), () => false);
  const { ino } = fs.statSync(file);
  one.save(granted(request("a")), () => false);
  expect(fs.statSync(file).ino).toBe(ino);
  one.save(granted(), () => false);
  expect(fs.readdirSync(dir)).toEqual([]);
});

describe("what can't be believed", () => {
  test.for<[string, string]>([
    ["", "Unexpected end of JSON input"],
    ["[]", "expected an object"],
    ["null", "expected an object"],
    [JSON.stringify({ boot: "boot-1", format: 2, rows: [] }), "expected format 1"],
    [JSON.stringify({ boot: "boot-1", format: 1, rows: {} }), "expected rows"],
    [" ".repeat(2 * MIB), "more than 1048576 bytes"],
  ])("%#: is said", ([text, problem]) => {
    fs.writeFileSync(file, text);
    expect(open().take()).toBeNull();
    expect(warnings).toEqual([expect.stringContaining(problem)]);
    expect(warnings[0]).toContain("what was reserved before can't be read: ");
  });

  test.for<[string, unknown]>([
    ["row", null],
    ["row", []],
    ["id", 7],
    ["door", "window"],
    ["owner", null],
    ["reason", {}],
    ["memBytes", -1],
    ["memBytes", 2 ** 60],
    ["milliCpu", "1"],
    ["ifNotGranted", "cry"],
    ["endsMs", "soon"],
    ["granted", null],
    ["granted", { memBytes: -1, milliCpu: 0 }],
  ])("a row with %s %j is left out, and the others are not", ([field, value]) => {
    save(granted(request("a"), request("b")));
    const left = JSON.parse(fs.readFileSync(file, "utf8")) as { rows: object[] };
    left.rows[0] = field === "row" ? (value as object) : { ...left.rows[0], [field]: value };
    fs.writeFileSync(file, JSON.stringify(left));
    expect(
      open()
        .take()
        ?.granted.all.map(({ request: { id } }) => id),
    ).toEqual(["b"]);
    expect(warnings).toEqual(["1 of 2 reservations that were left make no sense"]);
  });

  test("an end that is too far away is no end of ours: it is as near as any may be", () => {
    const far = { holdUntil: 1e15 };
    save(granted(request("alone", far), request("bound", far)), "alone");
    expect(left()).toEqual([
      ["alone", DAY_MS / 1_000],
      ["bound", CLAIM_MS / 1_000],
    ]);
  });

  test("one that nothing would ever end is left out", () => {
    save(granted(request("alone")), "alone");
    expect(open().take()?.granted.all).toEqual([]);
  });

  test.for([{ usedBytes: -1 }, { usedBytes: null }, { toldBytes: "x" }])(
    "a base with %j is measured anew",
    (change) => {
      save({ ...granted(request("a")), base: { ...BASE, ...(change as object) } });
      expect(open().take()?.granted.base).toBeNull();
    },
  );

  test("a link, a pipe, a folder: not followed, not waited for, replaced where that is possible", () => {
    const secret = path.join(dir, "secret");
    fs.writeFileSync(secret, JSON.stringify({ boot: "boot-1", format: 1, rows: [] }));
    fs.symlinkSync(secret, file);
    expect(open().take()).toBeNull();
    save(granted(request("a")));
    expect(fs.lstatSync(file).isFile()).toBe(true);
    expect(fs.readFileSync(secret, "utf8")).toContain('"rows":[]');
    fs.rmSync(file);
    fs.mkdirSync(file);
    expect(open().take()).toBeNull();
    const one = open();
    one.save(granted(request("a")), () => false);
    one.save(granted(request("b")), () => false);
    expect(warnings).toHaveLength(3);
    expect(warnings.at(-1)).toContain("what is reserved can't be written down: ");
  });
});
