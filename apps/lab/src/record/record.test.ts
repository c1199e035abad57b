import fs from "node:fs";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import { parseTrace } from "@selfscale/evaluation";
import { UnreadableRecordingError } from "@selfscale/recording";
import { afterEach, beforeEach, expect, test } from "vitest";
import { watchMonitor } from "./from-monitor.ts";
import { traceFromRecording } from "./from-recording.ts";

const GIB = 1024 ** 3;

let folder = "";
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "lab-record-"));
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

function head(fields: object = {}): string {
  const header = { kind: "selfscale-recording", version: 1, app: "monitor", release: "0.1.0" };
  const rest = { startedAt: "2026-11-26T00:00:00.000Z", pid: 7, part: 1 };
  return `${JSON.stringify({ ...header, ...rest, ...fields })}\n`;
}

function sample(atMs: number, busyMs: number): string {
  const cpu = {
    busyMs,
    runDelayMs: 0,
    somePressureMs: 0,
    runnable: 1,
    onlineCount: 2,
    presentCount: 2,
  };
  const mem = {
    ...{ totalBytes: 4 * GIB, availableBytes: GIB, cachedBytes: 2 * GIB, somePressureMs: 0 },
    ...{ swapTotalBytes: GIB, swapFreeBytes: GIB / 2, anonBytes: GIB, shmemBytes: GIB / 4 },
  };
  return `${JSON.stringify({ atMs, kind: "sample", cpu, mem })}\n`;
}

test("a recording's samples: CPU is what the counter grew by until the next", () => {
  const text = head() + sample(1_000, 500) + sample(2_000, 1_000) + sample(3_000, 3_000);
  const rotated = text + head({ part: 2 }) + sample(4_000, 3_250);
  const { csv } = traceFromRecording(rotated);
  const parsed = parseTrace(csv);
  if (!parsed.ok) throw new Error(parsed.problem);
  expect(parsed.notes).toEqual([]);
  expect([...parsed.trace.atSec]).toEqual([0, 1, 2]);
  expect([...parsed.trace.cpu]).toEqual([0.5, 2, 0.25]);
  expect(parsed.trace.anonGib?.[0]).toBe(1.75);
  expect(parsed.trace.workingSetGib?.[0]).toBe(1.75);
});

test("no more CPUs are in use than are online", () => {
  const text = head() + sample(0, 0) + sample(250, 700) + sample(500, 900);
  expect(traceFromRecording(text).csv).toContain("0.000,2.0000,");
});

test("the longest run counts, and what is left out is told", () => {
  const short = head({ pid: 6 }) + sample(0, 0) + sample(1_000, 0);
  const long = head() + [0, 1, 2, 3].map((n) => sample(n * 1_000, n * 100)).join("");
  const { csv, notes } = traceFromRecording(short + long);
  expect(csv.split("\n")).toHaveLength(5);
  expect(notes).toContain("1 shorter runs of the monitor are left out");
});

test.for([
  { name: "no samples", text: head(), says: "holds 0 samples of the monitor, expected many" },
  { name: "an agent's", text: head({ app: "agent" }), says: "holds 0 samples of the agent" },
  { name: "a newer version", text: head({ version: 99 }), says: "made by a newer release" },
  { name: "no recording", text: '{"a":1}\n', says: "its first line is no header" },
])("refuses $name", ({ text, says }) => {
  expect(() => traceFromRecording(text)).toThrow(UnreadableRecordingError);
  expect(() => traceFromRecording(text)).toThrow(says);
});

async function withMonitor(
  answer: (asked: number) => string | null,
  use: (socketPath: string) => Promise<void>,
): Promise<void> {
  const socketPath = path.join(folder, "monitor.sock");
  let asked = 0;
  const server = http.createServer((_, response) => {
    const text = answer((asked += 1));
    if (text === null) response.destroy();
    else response.end(text);
  });
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  try {
    await use(socketPath);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

const statusOf = (busy: number | null) =>
  JSON.stringify({
    monitor: { cpu: { inputs: { busy } }, memory: { inputs: { heldBytes: GIB } } },
  });

test("a running monitor: a point each time it answers", async () => {
  const answers = [statusOf(null), statusOf(0.5), null, "no JSON", statusOf(1.5), statusOf(2)];
  const outFile = path.join(folder, "trace.csv");
  const ending = new AbortController();
  await withMonitor(
    (asked) => {
      if (asked === answers.length) ending.abort();
      return answers[asked - 1] ?? null;
    },
    async (socketPath) => {
      const watch = { socketPath, everyMs: 20, forMs: 3_600_000, outFile };
      const watched = await watchMonitor({ ...watch, signal: ending.signal });
      expect(watched).toMatchObject({ points: 3, misses: 3 });
    },
  );
  const [first, ...rows] = fs.readFileSync(outFile, "utf8").trimEnd().split("\n");
  expect(first).toBe("t_s,cpu,mem_bytes");
  expect(rows.map((row) => row.split(",").slice(1))).toEqual([
    ["0.5000", String(GIB)],
    ["1.5000", String(GIB)],
    ["2.0000", String(GIB)],
  ]);
});

test("an interrupt leaves a whole file, and nobody there is no crash", async () => {
  const outFile = path.join(folder, "trace.csv");
  const ending = new AbortController();
  await withMonitor(
    (asked) => {
      if (asked === 2) ending.abort();
      return statusOf(1);
    },
    async (socketPath) => {
      const watch = { socketPath, everyMs: 20, forMs: 3_600_000, outFile };
      expect(await watchMonitor({ ...watch, signal: ending.signal })).toMatchObject({ points: 2 });
    },
  );
  expect(fs.readFileSync(outFile, "utf8")).toMatch(/^t_s,cpu,mem_bytes\n.*\n.*\n$/);
  const { signal } = new AbortController();
  const nobody = { socketPath: path.join(folder, "none"), everyMs: 20, forMs: 20, outFile, signal };
  expect(await watchMonitor(nobody)).toMatchObject({ points: 0, misses: 1 });
});
