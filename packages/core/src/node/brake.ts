// Whether the node itself is in trouble: then nothing grows for comfort. Stepped once per reading, pure. The limits are
// starting points, not measurements: see docs/deploy.md.
import { type MonoMs } from "../agent/types.ts";

export type BrakeLimits = Readonly<{
  /** Share of time in which some task waited for memory, in percent. */
  memoryPressurePercent: number;
  /** Pages swapped in or out per second. */
  swapPagesPerSec: number;
  /** Memory that must stay available to the node, in bytes. */
  availableMemBytes: number;
  /** How long all must be calm before the brake is let go. */
  releaseAfterMs: number;
}>;

export const BRAKE_LIMITS: BrakeLimits = {
  memoryPressurePercent: 10,
  swapPagesPerSec: 1_000,
  availableMemBytes: 256 * 1024 ** 2,
  releaseAfterMs: 30_000,
};

export const PRESSURES = ["memory", "cpu", "io"] as const;
export type Pressure = (typeof PRESSURES)[number];

/** The node's own counters. null: this kernel does not say. */
export type NodeSignals = Readonly<{
  /** Time in which some task waited, in microseconds since boot. */
  stalledUs: Readonly<Record<Pressure, number | null>>;
  /** Pages swapped in and out since boot. */
  swappedPages: number | null;
  swapFreeBytes: number | null;
  availableBytes: number | null;
}>;

type Reading = Readonly<{ at: MonoMs; signals: NodeSignals }>;
type Signal = "pressure" | "swap" | "available";

export type BrakeState = Readonly<{
  /** Of the last seconds, oldest first. */
  readings: readonly Reading[];
  brake: Readonly<{ signals: readonly Signal[]; text: string }> | null;
  calmSince: MonoMs | null;
}>;

export const INITIAL_BRAKE: BrakeState = { readings: [], brake: null, calmSince: null };

/** Rates are averages over this. */
const WINDOW_MS = 5_000;
/** Less than this says nothing: one reading may be noise. */
const SHORTEST_SPAN_MS = 2_000;
/** A signal is calm when it is this far on the good side of its limit; between, all stays as it is. */
const CALM_RATIO = 0.75;

/** Pure. `brake.text` changes only when the brake is put on, let go, or another signal joins or leaves. */
export function stepBrake(
  before: BrakeState,
  limits: BrakeLimits,
  signals: NodeSignals,
  now: MonoMs,
): BrakeState {
  const readings = remember(before.readings, { at: now, signals });
  const first = readings[0];
  if (first === undefined || now - first.at < SHORTEST_SPAN_MS) {
    return { ...before, readings, calmSince: null };
  }
  const judged = judge(readings, limits);
  const known = before.brake?.signals ?? [];
  const bad = judged.filter(({ name, excess }) => {
    return excess >= 1 || (known.includes(name) && excess >= CALM_RATIO);
  });
  const isBad = judged.some(({ excess }) => excess >= 1);
  const isCalm = bad.length === 0;
  if (!isBad && before.brake === null) return { readings, brake: null, calmSince: null };
  if (isCalm) {
    const calmSince = before.calmSince ?? now;
    const brake = now - calmSince >= limits.releaseAfterMs ? null : before.brake;
    return { readings, brake, calmSince: brake === null ? null : calmSince };
  }
  const names = bad.map(({ name }) => name);
  const isSame = names.length === known.length && names.every((name) => known.includes(name));
  const text = bad.map((one) => one.text).join("; ");
  const brake = isSame && before.brake !== null ? before.brake : { signals: names, text };
  return { readings, brake, calmSince: null };
}

/** Share of time, 0 to 1, in which some task waited; null: not known. */
export function pressureShare({ readings }: BrakeState, pressure: Pressure): number | null {
  const perSec = rate(readings, ({ stalledUs }) => stalledUs[pressure]);
  return perSec === null ? null : Math.min(1, perSec / 1e6);
}

/** A counter that fell began anew, and a clock that stood still or went back tells no rate: then what was before is forgotten. */
function remember(before: readonly Reading[], reading: Reading): readonly Reading[] {
  const last = before.at(-1);
  const isOneRow = last !== undefined && last.at < reading.at && !hasFallen(last, reading);
  const kept = isOneRow ? before.filter(({ at }) => at >= reading.at - WINDOW_MS) : [];
  return [...kept, reading];
}

function hasFallen({ signals: a }: Reading, { signals: b }: Reading): boolean {
  const fell = (old: number | null, now: number | null) =>
    old !== null && now !== null && now < old;
  if (fell(a.swappedPages, b.swappedPages)) return true;
  return PRESSURES.some((pressure) => fell(a.stalledUs[pressure], b.stalledUs[pressure]));
}

/** Per second over what is remembered; null where either end is not known. */
function rate(
  readings: readonly Reading[],
  read: (signals: NodeSignals) => number | null,
): number | null {
  const [first, last] = [readings[0], readings.at(-1)];
  if (first === undefined || last === undefined || last.at <= first.at) return null;
  const [from, to] = [read(first.signals), read(last.signals)];
  return from === null || to === null ? null : ((to - from) / (last.at - first.at)) * 1000;
}

/** `excess`: 1 at the limit, more is worse. What this kernel does not say is not there. */
type Judged = Readonly<{ name: Signal; excess: number; text: string }>;

function judge(readings: readonly Reading[], limits: BrakeLimits): readonly Judged[] {
  const found: Judged[] = [];
  const stalled = rate(readings, ({ stalledUs }) => stalledUs.memory);
  if (stalled !== null) {
    const percent = stalled / 10_000;
    const limit = limits.memoryPressurePercent;
    const text = `memory pressure ${Math.round(percent)} % (limit ${limit} %)`;
    found.push({ name: "pressure", excess: percent / limit, text });
  }
  const swap = rate(readings, ({ swappedPages }) => swappedPages);
  if (swap !== null) {
    const limit = limits.swapPagesPerSec;
    const free = readings.at(-1)?.signals.swapFreeBytes ?? null;
    const left = free === null ? "" : `, ${sayMib(free)} of swap free`;
    const text = `swapping ${Math.round(swap)} pages/s (limit ${limit})${left}`;
    found.push({ name: "swap", excess: swap / limit, text });
  }
  const available = mostAvailable(readings);
  if (available !== null) {
    const limit = limits.availableMemBytes;
    const text = `${sayMib(available)} available (limit ${sayMib(limit)})`;
    found.push({ name: "available", excess: limit / Math.max(1, available), text });
  }
  return found;
}

/** The best of the last moments: one low reading alone is noise. */
function mostAvailable(readings: readonly Reading[]): number | null {
  const now = readings.at(-1)?.at ?? 0;
  const recent = readings.filter(({ at }) => at >= now - SHORTEST_SPAN_MS);
  const values = recent.map(({ signals }) => signals.availableBytes);
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : Math.max(...known);
}

function sayMib(bytes: number): string {
  return `${Math.round(bytes / 1024 ** 2)} MiB`;
}
