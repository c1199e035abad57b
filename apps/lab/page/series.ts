// Series as they are in the page, unpacked, and what is made of them for a screen: a value or two per pixel.
import { type PageData, type Packed } from "../src/replay/chart/page-data.ts";

export type PolicySeries = Readonly<{
  cpu: Float32Array;
  wantCpu: Float32Array;
  memGib: Float32Array;
  wantMemGib: Float32Array;
  paid: Float32Array;
  waitMs: Float32Array;
  /** CU paid beyond what the demand of that moment would have cost. */
  waste: Float32Array;
}>;

export type Series = Readonly<{
  demand: Readonly<{ cpu: Float32Array; anonGib: Float32Array; memGib: Float32Array }>;
  policies: readonly PolicySeries[];
}>;

export async function unpackAll({ demand, policies, prices }: PageData): Promise<Series> {
  const [cpu, anonGib, memGib] = await Promise.all([
    unpack(demand.cpu),
    unpack(demand.anonGib),
    unpack(demand.memGib),
  ]);
  const needed = cpu.map((one, n) => one * prices.perCpu + (memGib[n] ?? 0) * prices.perGib);
  const unpacked = policies.map(async (policy): Promise<PolicySeries> => {
    const paid = await unpack(policy.paid);
    return {
      cpu: await unpack(policy.cpu),
      wantCpu: await unpack(policy.wantCpu),
      memGib: await unpack(policy.memGib),
      wantMemGib: await unpack(policy.wantMemGib),
      paid,
      waitMs: await unpack(policy.waitMs),
      waste: paid.map((one, n) => Math.max(0, one - (needed[n] ?? 0))),
    };
  });
  return { demand: { cpu, anonGib, memGib }, policies: await Promise.all(unpacked) };
}

async function unpack(packed: Packed): Promise<Float32Array> {
  const bytes = Uint8Array.from(atob(packed), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Float32Array(await new Response(stream).arrayBuffer());
}

/** Ticks, the end not included. */
export type Range = Readonly<{ from: number; until: number }>;

/** How many ticks become one bucket, at two values per pixel; 1: every tick is shown. */
export function bucketTicks({ from, until }: Range, pixels: number): number {
  return Math.max(1, Math.floor((until - from) / Math.max(1, pixels)));
}

/** Times, in seconds, of the values that the functions below give: two per bucket. */
export function times(range: Range, bucket: number, tickSec: number): number[] {
  const step = bucket === 1 ? 1 : bucket / 2;
  const values: number[] = [];
  for (let at = range.from; at < range.until; at += step) values.push(at * tickSec);
  return values;
}

/** The least and the most of each bucket: nothing that happened is lost. */
export function extremes(of: Float32Array, { from, until }: Range, bucket: number): number[] {
  if (bucket === 1) return Array.from(of.subarray(from, until));
  const values: number[] = [];
  for (let at = from; at < until; at += bucket) {
    let least = Infinity;
    let most = -Infinity;
    const end = Math.min(until, at + bucket);
    for (let tick = at; tick < end; tick += 1) {
      const value = of[tick] ?? 0;
      if (value < least) least = value;
      if (value > most) most = value;
    }
    // In the order in which a line that rises or falls would pass them.
    const isFalling = (of[at] ?? 0) > (of[end - 1] ?? 0);
    values.push(isFalling ? most : least, isFalling ? least : most);
  }
  return values;
}

export function means(of: Float32Array, { from, until }: Range, bucket: number): number[] {
  const values: number[] = [];
  for (let at = from; at < until; at += bucket) {
    const end = Math.min(until, at + bucket);
    const mean = total(of, { from: at, until: end }) / (end - at);
    values.push(mean);
    if (bucket > 1) values.push(mean);
  }
  return values;
}

export function maxima(of: Float32Array, { from, until }: Range, bucket: number): number[] {
  const values: number[] = [];
  for (let at = from; at < until; at += bucket) {
    const most = largest(of, { from: at, until: Math.min(until, at + bucket) });
    values.push(most);
    if (bucket > 1) values.push(most);
  }
  return values;
}

export function total(of: Float32Array, { from, until }: Range): number {
  let sum = 0;
  for (let tick = from; tick < until; tick += 1) sum += of[tick] ?? 0;
  return sum;
}

export function largest(of: Float32Array, { from, until }: Range): number {
  let most = 0;
  for (let tick = from; tick < until; tick += 1) {
    const value = of[tick] ?? 0;
    if (value > most) most = value;
  }
  return most;
}
