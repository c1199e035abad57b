// Asks a running monitor again and again, over the socket of its status command, and writes down what it measures.
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import http from "node:http";
import { setTimeout as wait } from "node:timers/promises";
import { TRACE_HEAD_WITHOUT_CACHE, traceLine, type Point } from "./trace-csv.ts";

export type Watch = Readonly<{
  socketPath: string;
  everyMs: number;
  forMs: number;
  outFile: string;
  /** Ends it early, and properly. */
  signal: AbortSignal;
}>;

/** How many points were written, and how often nobody answered. */
export type Watched = Readonly<{ points: number; misses: number; lastProblem: string | null }>;

const ANSWER_TIMEOUT_MS = 5_000;
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

/** Rejects when the file can't be written. Who does not answer is asked again at the next point. */
export async function watchMonitor(watch: Watch): Promise<Watched> {
  const { everyMs, forMs, outFile, signal } = watch;
  const out = createWriteStream(outFile);
  await once(out, "open");
  out.write(TRACE_HEAD_WITHOUT_CACHE);
  let [points, misses, lastProblem]: [number, number, string | null] = [0, 0, null];
  const startedAt = performance.now();
  // What was due while nobody could look is not made up for.
  const next = () => Math.ceil((performance.now() - startedAt) / everyMs) * everyMs;
  for (let dueMs = 0; dueMs < forMs && !signal.aborted; dueMs = Math.max(dueMs + everyMs, next())) {
    if (!(await hasPassed(startedAt + dueMs - performance.now(), signal))) break;
    const atMs = performance.now() - startedAt;
    try {
      const point = pointOf(await askStatus(watch.socketPath), atMs);
      out.write(traceLine(point));
      points += 1;
    } catch (error) {
      misses += 1;
      lastProblem = error instanceof Error ? error.message : String(error);
    }
  }
  out.end();
  await once(out, "finish");
  return { points, misses, lastProblem };
}

/** False: it was ended before. */
async function hasPassed(ms: number, signal: AbortSignal): Promise<boolean> {
  try {
    await wait(Math.max(0, ms), undefined, { signal });
    return true;
  } catch (error) {
    if (!signal.aborted) throw error;
    return false;
  }
}

type Inputs = Readonly<Record<string, unknown>>;
type Shape = Readonly<{ monitor?: { cpu?: { inputs?: Inputs }; memory?: { inputs?: Inputs } } }>;

/** Throws when the monitor has not measured enough yet, or is none of ours. */
function pointOf(text: string, atMs: number): Point {
  const { monitor } = JSON.parse(text) as Shape;
  const cpu = monitor?.cpu?.inputs ?? {};
  const used = cpu["cpuUsed"] ?? cpu["busy"];
  const held = monitor?.memory?.inputs?.["heldBytes"];
  if (typeof used !== "number" || typeof held !== "number") {
    throw new Error("the monitor has measured nothing yet");
  }
  return { atMs, cpu: used, memBytes: held, cacheBytes: null };
}

function askStatus(socketPath: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
    const request = http.get({ socketPath, path: "/status", signal }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        text += chunk;
        if (text.length > MAX_ANSWER_BYTES) request.destroy(new Error("an endless answer"));
      });
      response.on("end", () => resolve(text));
      response.on("error", reject);
    });
    request.on("error", reject);
  });
}
