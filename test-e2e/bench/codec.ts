// How many requests for a size one core can read, check and answer.
import {
  checkTarget,
  decodeFromMonitor,
  encodeFromAgent,
  encodeFromMonitor,
} from "@selfscale/protocol";
import { MIB } from "../harness/truth.ts";
import { percentile, round, type Section } from "./table.ts";

const GOAL_PER_SECOND = 200_000;
/** Different frames, so that no answer can be remembered. */
const FRAMES = 1_000;
const WARM_UP_PAIRS = 200_000;

const requests = Array.from({ length: FRAMES }, (_, index) =>
  encodeFromMonitor({
    type: "ScaleRequest",
    target: { cpu: (1 + (index % 16)) / 4, mem: (512 + 128 * (index % 17)) * MIB },
    reason: index % 2 === 0 ? "memory" : "cpu",
    floor: { cpu: 0, mem: 256 * MIB },
    ageMs: index / 8,
    id: 3 + 2 * index,
  }),
);

export type CodecSize = Readonly<{ codecRuns: number; codecPairs: number }>;

export function measureCodec({ codecRuns, codecPairs }: CodecSize): Promise<Section> {
  perSecond(pair, WARM_UP_PAIRS);
  const runs = (work: (text: string) => number) =>
    Array.from({ length: codecRuns }, () => perSecond(work, codecPairs));
  const pairs = runs(pair);
  const median = percentile(pairs, 0.5);
  return Promise.resolve({
    title: `Codec on one core, ${codecRuns} runs of ${codecPairs} pairs`,
    figures: [
      {
        what: "ScaleRequest read and checked, answer written",
        value: `${thousands(median)} pairs/s (${thousands(Math.min(...pairs))} to ${thousands(Math.max(...pairs))})`,
        goal: `≥ ${thousands(GOAL_PER_SECOND)}/s`,
        isMet: median >= GOAL_PER_SECOND,
      },
      {
        what: "  reading and checking alone",
        value: `${thousands(percentile(runs(read), 0.5))}/s`,
      },
      { what: "  of that JSON.parse", value: `${thousands(percentile(runs(parse), 0.5))}/s` },
      { what: "  writing alone", value: `${thousands(percentile(runs(write), 0.5))}/s` },
    ],
    notes: [
      `${FRAMES} different frames of ${requests[0]?.length ?? 0} bytes or so, with reason, floor and ageMs; median of the runs (lowest to highest)`,
    ],
  });
}

/** The sum keeps the compiler from leaving the work out. */
function perSecond(work: (text: string) => number, count: number): number {
  let sum = 0;
  const begin = performance.now();
  for (let n = 0; n < count; n += 1) sum += work(requests[n % FRAMES] ?? "");
  const seconds = (performance.now() - begin) / 1000;
  if (!(sum > 0)) throw new Error("the codec did nothing");
  return count / seconds;
}

function pair(text: string): number {
  return read(text) + write(text);
}

function parse(text: string): number {
  return (JSON.parse(text) as { id: number }).id;
}

function read(text: string): number {
  const decoded = decodeFromMonitor(text);
  if (!decoded.ok || decoded.message.type !== "ScaleRequest") throw new Error("not a ScaleRequest");
  const { milliCpu, memBytes } = checkTarget(decoded.message.target);
  return (milliCpu ?? 0) + (memBytes ?? 0);
}

/** An answer of the usual kind: the operator's range cut the memory. */
function write(text: string): number {
  return encodeFromAgent({
    type: "ScaleResponse",
    content: {
      outcome: "clamped",
      resources: { cpu: { outcome: "accepted" }, mem: { outcome: "clamped", reason: "bounds" } },
      permit: { cpu: 1 + (text.length % 4) / 4, mem: 2560 * MIB },
      etaMs: 1200,
    },
    id: 3 + 2 * text.length,
  }).length;
}

function thousands(perSecondValue: number): string {
  return `${round(perSecondValue / 1000)} k`;
}
