import { once } from "node:events";
import http from "node:http";
import { type AddressInfo } from "node:net";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { type LegacyMetrics } from "@selfscale/core";
import { expect, onTestFinished, test, vi } from "vitest";
import { PATIENT, until } from "../testing/wait.ts";
import { Scraper } from "./scrape.ts";
import { type MetricsSource } from "./sources.ts";

vi.setConfig(PATIENT);

const MIB = 1024 ** 2;

const page = (load1: number) => `# HELP host_load1 Load.
# TYPE host_load1 gauge
host_load1 ${load1}
host_load5 0.5
host_memory_total_bytes ${1024 * MIB}
host_memory_available_bytes ${600 * MIB}
host_memory_cached_bytes ${200 * MIB}
`;

/** A scraper of a real server that answers each request by `answer`. */
async function startScraper(
  answer: http.RequestListener,
  overrides: Partial<MetricsSource> = {},
  random = () => 0.5,
) {
  const server = http.createServer(answer).listen(0, "127.0.0.1");
  await once(server, "listening");
  const seen: LegacyMetrics[] = [];
  const problems: string[] = [];
  const outcomes = new Set<string>();
  const scraper = new Scraper({
    source: {
      name: "metrics",
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`,
      kinds: ["system"],
      everyMs: 10,
      deadlineMs: 100,
      maxBytes: MIB,
      ...overrides,
    },
    random,
    onMetrics: (metrics) => seen.push(metrics),
    onProblem: (outcome, problem) => {
      outcomes.add(outcome);
      problems.push(problem);
    },
  });
  onTestFinished(async () => {
    scraper.setWanted(false);
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { scraper, server, seen, problems, outcomes };
}

test("reads again and again while it is wanted, one at a time", async () => {
  let [requests, open, mostOpen] = [0, 0, 0];
  const { scraper, seen } = await startScraper((_, response) => {
    requests += 1;
    open += 1;
    mostOpen = Math.max(mostOpen, open);
    response.on("close", () => (open -= 1));
    response.end(page(requests));
  });
  expect(requests).toBe(0);
  scraper.setWanted(true);
  scraper.setWanted(true); // no second one beside it
  await until("three readings", () => seen.length >= 3);
  expect(seen[0]).toEqual({
    system: {
      load1: 1,
      load5: 0.5,
      memTotalBytes: 1024 * MIB,
      memUsageBytes: 524 * MIB,
      memCachedBytes: 200 * MIB,
    },
    lfc: null,
  });
  expect(mostOpen).toBe(1);
  scraper.setWanted(false);
  const before = seen.length;
  scraper.setWanted(true);
  await until("another", () => seen.length > before);
});

/** Writes for as long as somebody reads. */
const endless: http.RequestListener = (_, response) => {
  const more = () => {
    while (!response.destroyed && response.write("#".repeat(1000) + "\n"));
    if (!response.destroyed) response.once("drain", more);
  };
  more();
};
const drip: http.RequestListener = (_, response) => {
  const timer = setInterval(() => response.write("# a comment\n"), 5);
  response.on("close", () => clearInterval(timer));
};

test.for<{ name: string; answer: http.RequestListener; outcome: string; problem: string }>([
  {
    name: "garbage",
    answer: (_, r) => r.end("}{ \0"),
    outcome: "malformed",
    problem: "line 1",
  },
  {
    name: "other metrics",
    answer: (_, r) => r.end("up 1\n"),
    outcome: "incomplete",
    problem: "host_load1 is missing",
  },
  {
    name: "a metric that is no number",
    answer: (_, r) => r.end(page(NaN)),
    outcome: "incomplete",
    problem: "host_load1 is NaN",
  },
  {
    name: "a page cut off in the middle",
    answer: (_, r) => r.end(page(1).slice(0, -5)),
    outcome: "malformed",
    problem: "line 7: the text ends in mid-line",
  },
  {
    name: "an error",
    answer: (_, r) => r.writeHead(500).end(),
    outcome: "refused",
    problem: "HTTP 500",
  },
  {
    name: "a redirect to a good page",
    answer: (request, r) => {
      if (request.url === "/good") r.end(page(1));
      else r.writeHead(302, { Location: "/good" }).end();
    },
    outcome: "refused",
    problem: "HTTP 302",
  },
  {
    name: "a compressed page",
    answer: (_, r) => r.writeHead(200, { "Content-Encoding": "gzip" }).end(gzipSync(page(1))),
    outcome: "encoded",
    problem: "the page is compressed",
  },
  {
    name: "a page shorter than it says",
    answer: (_, r) => r.writeHead(200, { "Content-Length": 1000 }).end(page(1)),
    outcome: "unreachable",
    problem: "ECONNRESET",
  },
  {
    name: "silence",
    answer: () => undefined,
    outcome: "timed-out",
    problem: "no whole answer in 100 ms",
  },
  {
    name: "a page that drips",
    answer: drip,
    outcome: "timed-out",
    problem: "no whole answer in 100 ms",
  },
  {
    name: "a connection that breaks off",
    answer: (_, r) => r.destroy(),
    outcome: "unreachable",
    problem: "ECONNRESET",
  },
  {
    name: "headers without end",
    answer: ({ socket }) => socket.write(`HTTP/1.1 200 OK\r\nX: ${"x".repeat(100_000)}`),
    outcome: "malformed",
    problem: "HPE_HEADER_OVERFLOW",
  },
  {
    name: "no HTTP",
    answer: ({ socket }) => socket.end("hello\n"),
    outcome: "malformed",
    problem: "HPE_INVALID_CONSTANT",
  },
])("$name is a problem each time, and no reading", async ({ answer, outcome, problem }) => {
  const { scraper, seen, problems, outcomes } = await startScraper(answer);
  scraper.setWanted(true);
  await until("two problems", () => problems.length >= 2);
  expect(problems[0]).toContain(problem);
  expect(new Set(problems).size).toBe(1);
  expect([...outcomes]).toEqual([outcome]);
  expect(seen).toEqual([]);
});

test.for([
  {
    name: "a huge page",
    answer: (_: unknown, r: http.ServerResponse) => void r.end("#".repeat(MIB + 1)),
  },
  { name: "an endless page", answer: endless },
])(
  "$name is a problem each time, long before its deadline, and is read no further",
  async ({ answer }) => {
    const slow = { deadlineMs: 60_000 };
    const { scraper, server, seen, problems, outcomes } = await startScraper(answer, slow);
    scraper.setWanted(true);
    await until("two problems", () => problems.length >= 2);
    scraper.setWanted(false);
    expect(new Set(problems)).toEqual(new Set(["more than 1048576 bytes"]));
    expect([...outcomes]).toEqual(["too-large"]);
    expect(seen).toEqual([]);
    const count = promisify(server.getConnections.bind(server));
    await until("nobody to read it", async () => (await count()) === 0);
  },
);

test("has at most one connection at a time, and keeps none, however well it is served", async () => {
  let [open, mostOpen, opened] = [0, 0, 0];
  const { scraper, server, seen } = await startScraper((_, response) => {
    response.setHeader("Connection", "keep-alive"); // a server's wish, no more
    response.end(page(1));
  });
  server.on("connection", (socket) => {
    opened += 1;
    open += 1;
    mostOpen = Math.max(mostOpen, open);
    socket.on("close", () => (open -= 1));
  });
  scraper.setWanted(true);
  await until("five readings", () => seen.length >= 5);
  scraper.setWanted(false);
  await until("no connection", () => open === 0);
  expect(opened).toBeGreaterThanOrEqual(5);
  expect(mostOpen).toBeLessThanOrEqual(2); // the last one's end may come after the next one's beginning
});

test("an address is read for its own kinds only", async () => {
  const both = page(1) + 'lfc_approximate_working_set_size_windows{duration_seconds="60"} 7\n';
  const host = await startScraper((_, response) => response.end(both));
  const cache = await startScraper((_, response) => response.end(both), { kinds: ["lfc"] });
  const all = await startScraper((_, response) => response.end(both), { kinds: ["system", "lfc"] });
  for (const { scraper } of [host, cache, all]) scraper.setWanted(true);
  await until("all", () => [host, cache, all].every(({ seen }) => seen.length > 0));
  const lfc = { workingSetPagesPerMinute: [7] };
  expect(host.seen[0]).toMatchObject({ system: { load1: 1 }, lfc: null });
  expect(cache.seen[0]).toEqual({ system: null, lfc });
  expect(all.seen[0]).toMatchObject({ system: { load1: 1 }, lfc });
});

test("half of what it is read for is a reading and a problem", async () => {
  const { scraper, seen, problems } = await startScraper((_, r) => r.end(page(3)), {
    kinds: ["system", "lfc"],
  });
  scraper.setWanted(true);
  await until("both", () => problems.length > 0 && seen.length > 0);
  expect(seen[0]).toMatchObject({ system: { load1: 3 }, lfc: null });
  expect(problems[0]).toBe("lfc_approximate_working_set_size_windows is missing");
});

test("after a problem the next good page counts", async () => {
  let requests = 0;
  const { scraper, seen, problems } = await startScraper((_, response) => {
    requests += 1;
    if (requests < 3) response.writeHead(503).end();
    else response.end(page(7));
  });
  scraper.setWanted(true);
  await until("a reading", () => seen.length > 0);
  expect(problems).toEqual(["HTTP 503", "HTTP 503"]);
  expect(seen[0]?.system?.load1).toBe(7);
});
