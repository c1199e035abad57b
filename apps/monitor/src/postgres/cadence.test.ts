// What an idle PostgreSQL is asked, by the clock alone: everything that asks by itself, with the timers that are shipped, on a
// clock of the test's.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { ANTICIPATION_DEFAULTS } from "@selfscale/core";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type Log } from "../log.ts";
import { type PostgresClient, type PostgresOutcome } from "./client.ts";
import { type Row } from "./connection.ts";
import { SqlDoor } from "./door/door.ts";
import { type DoorView } from "./door/state-file.ts";
import { PostgresWatch } from "./sense/watch.ts";
import { SCHEMA_VERSION } from "./sql/version.ts";

const MIB = 1024 ** 2;
/** As the issue has it, and what it measures over: the door and the watch look at different moments. */
const MOST_PER_SEC = 2;
const WINDOW_MS = 5_000;

let dir = "";
let door: SqlDoor;
let watch: PostgresWatch;
let asked: { at: number; text: string }[] = [];
let connect: () => void = () => undefined;

beforeEach(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), "selfscale-cadence-"));
  vi.useFakeTimers();
  asked = [];
  const log = { info: () => {}, warn: () => {}, error: () => {} } as unknown as Log;
  const client = pretendedClient();
  const now = () => performance.now();
  const nobody = () => {
    throw new Error("an idle PostgreSQL is no reason for it");
  };
  watch = new PostgresWatch(client, ANTICIPATION_DEFAULTS, {
    ...{ now, mostBytes: () => 2048 * MIB, look: nobody, reserve: nobody, log },
    feed: () => undefined,
  });
  door = new SqlDoor({
    ...{ client, folder: dir, ask: nobody, feed: nobody, view: idleView, log },
    clocks: () => ({ mono: now(), wall: Date.now() }),
  });
  watch.start();
  door.start();
});
afterEach(() => {
  watch.stop();
  door.stop();
  vi.useRealTimers();
  fs.rmSync(dir, { recursive: true });
});

/** Connected when the test says so. It answers at once, as an idle server would. */
function pretendedClient(): PostgresClient {
  const listeners: (() => void)[] = [];
  const client = {
    isConnected: false,
    onConnected: (listener: () => void) => listeners.push(listener),
    onLost: () => undefined,
    query: (text: string): Promise<PostgresOutcome> => {
      asked.push({ at: performance.now(), text });
      return Promise.resolve({ ok: true, rows: [answerTo(text)] });
    },
  };
  connect = () => {
    client.isConnected = true;
    for (const listener of listeners) listener();
  };
  return client as unknown as PostgresClient;
}

function answerTo(text: string): Row {
  if (text.includes("data_directory")) {
    return { port: 5432, folder: dir, version: 150_000, standby: false };
  }
  if (text.includes("obj_description")) {
    return { comment: `selfscale schema, version ${SCHEMA_VERSION}` };
  }
  if (text.includes("_root()")) return { root: dir };
  return { connections: "1", block_bytes: "8192", max_connections: "100" };
}

function idleView(): DoorView {
  const ladder = { desired: null, permit: null, requested: null, actual: null };
  const reservations = { floor: { milliCpu: 0, memBytes: 0 }, active: [] };
  const monitor = { ladder, bounds: null, reason: "idle", agentReason: null, isMet: true };
  return {
    monitor: { ...monitor, reservations } as unknown as DoorView["monitor"],
    ...{ decisions: [], explain: [] },
  };
}

test("an idle PostgreSQL is asked at most twice a second, in every five seconds of five minutes", async () => {
  connect();
  await vi.advanceTimersByTimeAsync(10_000); // what a new connection is asked once
  const since = performance.now();
  asked = [];
  const minutes = 5;
  await vi.advanceTimersByTimeAsync(minutes * 60_000);
  const most = MOST_PER_SEC * (WINDOW_MS / 1_000);
  for (let from = since; from < performance.now(); from += WINDOW_MS) {
    const within = asked.filter(({ at }) => at >= from && at < from + WINDOW_MS);
    expect(within.length, `in the five seconds from ${from - since} ms`).toBeLessThanOrEqual(most);
  }
  // It does look: once a second at what goes on, and now and then at the rest.
  const count = (part: string) => asked.filter(({ text }) => text.includes(part)).length;
  expect(count("selfscale_activity")).toBe(minutes * 60);
  expect(count("selfscale_settings")).toBe(minutes * 6);
  expect(count("obj_description")).toBe(minutes * 2);
  expect(asked.length / (minutes * 60)).toBeLessThanOrEqual(1.2);
});

test("while it can't be reached nobody asks it anything", async () => {
  await vi.advanceTimersByTimeAsync(60_000);
  expect(asked).toEqual([]);
});
