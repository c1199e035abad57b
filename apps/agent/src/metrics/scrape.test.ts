import { once } from "node:events";
import http from "node:http";
import { type AddressInfo } from "node:net";
import { type LegacyMetrics } from "@selfscale/core";
import { expect, onTestFinished, test, vi } from "vitest";
import { SHELL_TIMERS } from "../shell/timers.ts";
import { PATIENT, until } from "../testing/wait.ts";
import { Scraper } from "./scrape.ts";

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
async function startScraper(answer: http.RequestListener) {
  const server = http.createServer(answer).listen(0, "127.0.0.1");
  await once(server, "listening");
  const seen: LegacyMetrics[] = [];
  const problems: string[] = [];
  const scraper = new Scraper({
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`,
    timers: { ...SHELL_TIMERS, scrapeEveryMs: 10, scrapeMs: 100 },
    random: () => 0.5,
    onMetrics: (metrics) => seen.push(metrics),
    onProblem: (problem) => problems.push(problem),
  });
  onTestFinished(async () => {
    scraper.setWanted(false);
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { scraper, seen, problems };
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

test.for<{ name: string; answer: http.RequestListener; problem: string }>([
  { name: "garbage", answer: (_, r) => r.end("}{ \0"), problem: "line 1" },
  { name: "other metrics", answer: (_, r) => r.end("up 1\n"), problem: "host_load1 is missing" },
  { name: "an error", answer: (_, r) => r.writeHead(500).end(), problem: "HTTP 500" },
  { name: "silence", answer: () => undefined, problem: "no whole answer in 100 ms" },
  {
    name: "a huge page",
    answer: (_, r) => r.end("#".repeat(MIB + 1)),
    problem: "more than 1048576 bytes",
  },
])("$name is a problem each time, and no reading", async ({ answer, problem }) => {
  const { scraper, seen, problems } = await startScraper(answer);
  scraper.setWanted(true);
  await until("two problems", () => problems.length >= 2);
  expect(problems[0]).toContain(problem);
  expect(new Set(problems).size).toBe(1);
  expect(seen).toEqual([]);
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
