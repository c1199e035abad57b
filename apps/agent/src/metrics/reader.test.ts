// Two addresses of one VM, counted and told apart; and the VMs of a node, which wait for nobody but themselves.
import { once } from "node:events";
import http from "node:http";
import { type AddressInfo } from "node:net";
import { type LegacyMetrics } from "@selfscale/core";
import { expect, onTestFinished, test, vi } from "vitest";
import { Counters } from "../shell/counters.ts";
import { NO_OBSERVER } from "../shell/observer.ts";
import { memoryLog } from "../testing/fleet.ts";
import { PATIENT, until } from "../testing/wait.ts";
import { MetricsReader } from "./reader.ts";
import { type MetricsSource } from "./sources.ts";

vi.setConfig(PATIENT);

const HOST_PAGE = `host_load1 1
host_load5 1
host_memory_total_bytes 1073741824
host_memory_available_bytes 1000000000
host_memory_cached_bytes 0
`;
const CACHE_PAGE = `lfc_approximate_working_set_size_windows{duration_seconds="60"} 7\n`;

/** Its address, with what it is read for. */
async function serve(
  name: MetricsSource["name"],
  answer: http.RequestListener,
): Promise<MetricsSource> {
  const server = http.createServer(answer).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`;
  const kinds = [name === "metrics" ? ("system" as const) : ("lfc" as const)];
  return { name, url, kinds, everyMs: 10, deadlineMs: 15_000, maxBytes: 1_000 };
}

function startReader(sources: readonly MetricsSource[]) {
  const { log, lines } = memoryLog();
  const counters = new Counters();
  const seen: LegacyMetrics[] = [];
  const onMetrics = (metrics: LegacyMetrics) => seen.push(metrics);
  const outside = { log, counters, observer: NO_OBSERVER, random: () => 0.5 };
  const reader = new MetricsReader({ sources, ...outside, onMetrics });
  reader.setWanted(true);
  onTestFinished(() => reader.setWanted(false));
  return { lines, counters, seen };
}

test("both addresses are read, each for its own kind", async () => {
  const { seen, counters } = startReader([
    await serve("metrics", (_, response) => response.end(HOST_PAGE)),
    await serve("lfcMetrics", (_, response) => response.end(CACHE_PAGE)),
  ]);
  await until("both", () => seen.some(({ lfc }) => lfc) && seen.some(({ system }) => system));
  expect(seen.every(({ lfc, system }) => (lfc === null) !== (system === null))).toBe(true);
  expect(counters.values().scrapes).toBe(seen.length);
});

test("one that hangs does not hold up the other, nor a hundred those of other VMs", async () => {
  const mute = await serve("lfcMetrics", () => undefined);
  for (let vm = 0; vm < 100; vm += 1) startReader([mute]);
  const good = await serve("metrics", (_, response) => response.end(HOST_PAGE));
  const { seen, counters } = startReader([good, mute]);
  await until("ten readings", () => seen.length >= 10);
  expect(counters.values().scrapesFailed).toBe(0); // their deadline is long, and not over
});

test.for([
  { status: 503, body: "", outcome: "refused", counter: "scrapesRefused" },
  { status: 200, body: "#".repeat(1_001), outcome: "too-large", counter: "scrapesTooLarge" },
  { status: 200, body: "<html>\n", outcome: "malformed", counter: "scrapesMalformed" },
  { status: 200, body: "up 1\n", outcome: "incomplete", counter: "scrapesIncomplete" },
] as const)("$outcome: counted each time, said once, and once that it is over", async (row) => {
  let isBad = true;
  const source = await serve("metrics", (_, response) => {
    if (isBad) response.writeHead(row.status).end(row.body);
    else response.end(HOST_PAGE);
  });
  const { lines, counters, seen } = startReader([source]);
  await until("some", () => counters.values()[row.counter] >= 3);
  expect(seen).toEqual([]);
  isBad = false;
  await until("two readings", () => seen.length >= 2);
  expect(counters.values().scrapesFailed).toBe(counters.values()[row.counter]);
  expect(counters.values().scrapes).toBeGreaterThanOrEqual(2);
  expect(lines.map(({ msg, outcome, address }) => ({ msg, outcome, address }))).toEqual([
    { msg: "metrics can't be read", outcome: row.outcome, address: "metrics" },
    { msg: "metrics can be read again", outcome: undefined, address: "metrics" },
  ]);
});

test("ever new nonsense is said once", async () => {
  let requests = 0;
  const source = await serve("metrics", (_, response) => {
    requests += 1;
    response.end(`${HOST_PAGE.repeat(2)}host_load1 ${"1 1 1".slice(0, 1 + (requests % 3))}\n`);
  });
  const { lines, counters } = startReader([source]);
  await until("many", () => counters.values().scrapesFailed >= 9);
  expect(lines.filter(({ outcome }) => outcome === "incomplete")).toHaveLength(1);
});

test("half of what one address is read for counts as a reading, and as failed", async () => {
  const source = await serve("metrics", (_, response) => response.end(HOST_PAGE));
  const { counters, seen } = startReader([{ ...source, kinds: ["system", "lfc"] }]);
  await until("some", () => seen.length >= 3);
  const { scrapes, scrapesFailed, scrapesIncomplete } = counters.values();
  expect(scrapes).toBe(0);
  expect(scrapesFailed).toBe(scrapesIncomplete);
  expect(scrapesIncomplete).toBeGreaterThanOrEqual(3);
});
