// What is taken is judged by who may decide, not only by who agreed.
import { AGENT_TIMERS, DEPLOYED_LEGACY_CONFIG, type HypervisorFacts } from "@selfscale/core";
import { expect, test } from "vitest";
import { MIB } from "../units.ts";
import { ConnectionBook } from "./connection-book.ts";
import { SizeWatch } from "./size-watch.ts";

const SPEC = {
  name: "vm-1",
  bounds: {
    min: { milliCpu: 1_000, memBytes: 512 * MIB },
    max: { milliCpu: 4_000, memBytes: 2_560 * MIB },
  },
  hasQuota: true,
  hasMetrics: true,
  protocolMax: 2,
  legacy: DEPLOYED_LEGACY_CONFIG,
};
const FACTS: HypervisorFacts = {
  process: "qemu-1",
  uuid: null,
  runState: "running",
  baseMemBytes: 512 * MIB,
  memoryDevice: {
    sizeBytes: 1_024 * MIB,
    requestedBytes: 1_024 * MIB,
    maxBytes: 2_048 * MIB,
    blockBytes: 2 * MIB,
  },
  vcpusPlugged: 2,
  vcpusMax: 4,
  quotaMilliCpu: 2_000,
  cpuUsedMilli: 100,
  throttledShare: 0,
};

/** The monitor agreed to one slice less; then that slice is taken. `before`: what else it said. */
function take(version: number, before: (book: ConnectionBook) => void): () => void {
  const watch = new SizeWatch(0, SPEC, AGENT_TIMERS, 256 * MIB);
  const book = new ConnectionBook(1, 2);
  watch.read(FACTS);
  book.hear(JSON.stringify({ version }), 0);
  before(book);
  const target = { cpu: 2, mem: 1_280 * MIB };
  const known = watch.known(FACTS);
  book.said(
    JSON.stringify({ content: { target }, type: "DownscaleRequest", id: 2 }),
    known,
    70_000,
  );
  book.hear('{"type":"DownscaleResult","Ok":true,"Status":"","id":2}', 70_100);
  const action = { kind: "set-memory", attempt: 1, requestedBytes: 768 * MIB } as const;
  return () => watch.judge(action, FACTS, book, 70_200);
}

const wish = (mem: number) =>
  `{"type":"ScaleRequest","target":{"cpu":2,"mem":${mem * MIB}},"id":3}`;

test("a slice that a wish leaves free may be taken", () => {
  expect(take(2, (book) => book.hear(wish(1_024), 60_000))).not.toThrow();
});

test("a slice may not be taken while it is wished for", () => {
  expect(take(2, (book) => book.hear(wish(1_536), 60_000))).toThrow(
    expect.objectContaining({ invariant: 7 }),
  );
});

test("a slice may not be taken while nobody named a size", () => {
  expect(take(2, () => undefined)).toThrow(expect.objectContaining({ invariant: 7 }));
});

test("metrics may take a slice while they are fresh, not later", () => {
  expect(take(1, (book) => (book.scrapedAt = 65_000))).not.toThrow();
  expect(take(1, (book) => (book.scrapedAt = 5_000))).toThrow(
    expect.objectContaining({ invariant: 7 }),
  );
});
