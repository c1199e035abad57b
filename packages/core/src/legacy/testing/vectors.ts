// Reads the recorded rows of the deployed algorithm. vectors/*.json say where each comes from and are never edited.
import { readFileSync } from "node:fs";
import { type Bounds, type Size } from "@selfscale/protocol";
import { DEPLOYED_LEGACY_CONFIG } from "../defaults.ts";
import { type OverrideTimes } from "../overrides.ts";
import { type LegacyConfig, type LegacyMetrics } from "../types.ts";

type VectorSize = Readonly<{ vcpuMilli: number; memBytes: number }>;
type VectorResult = Readonly<{
  hasAllMetrics: boolean;
  parts: Readonly<{ cpu: number | null; mem: number | null; lfc: number | null }>;
  goalCU: number;
  effectiveGoalCU: number;
  desired: VectorSize | null;
  warnings: readonly string[];
}>;
type VectorGoal = Readonly<{
  name: string;
  computeUnit: VectorSize;
  config: Omit<LegacyConfig, "computeUnit" | keyof OverrideTimes>;
  system: Readonly<{
    load1: number;
    load5: number;
    memUsageBytes: number;
    memCachedBytes: number;
  }> | null;
  lfc: Readonly<{ wssPagesPerMinute: readonly number[] }> | null;
  vm: Readonly<{ min: VectorSize; max: VectorSize; use: VectorSize }> | null;
  requestedUpscale: Readonly<{ cpu: boolean; memory: boolean; base: VectorSize }> | null;
  deniedDownscale: Readonly<{ current: VectorSize; requested: VectorSize }> | null;
  expect: VectorResult | Readonly<{ panic: string }>;
}>;

/** One recorded goal in our words. `expect` is null where the deployed agent panics. */
export type GoalRow = Readonly<{
  name: string;
  config: LegacyConfig;
  metrics: LegacyMetrics;
  vm: Readonly<{ bounds: Bounds; using: Size }> | null;
  requested: Readonly<{ cpu: boolean; memory: boolean; base: Size }> | null;
  denied: Readonly<{ current: Size; requested: Size }> | null;
  expect: (Omit<VectorResult, "desired"> & Readonly<{ desired: Size | null }>) | null;
}>;

export type WorkingSetRow = Readonly<{ name: string; series: readonly number[] }> &
  Readonly<{ expect: Readonly<{ value: number }> | Readonly<{ panic: string }> }> &
  (
    | Readonly<{
        kind: "estimate";
        maxAllowedIncreaseFactor: number;
        initialOffset: number;
        windowSize: number;
      }>
    | Readonly<{ kind: "project"; projectLen: number }>
  );

export const GOAL_ROWS: readonly GoalRow[] = (read("goal-cu.json") as VectorGoal[]).map(toGoalRow);
export const WORKING_SET_ROWS = read("working-set.json") as readonly WorkingSetRow[];

function read(file: string): unknown {
  const text = readFileSync(new URL(`../vectors/${file}`, import.meta.url), "utf8");
  return (JSON.parse(text) as { cases: unknown }).cases;
}

function toGoalRow(row: VectorGoal): GoalRow {
  const { system, lfc, vm, requestedUpscale: asked, deniedDownscale: denied, expect } = row;
  return {
    name: row.name,
    // What was said counts in every row: how long it does is not in the vectors.
    config: { ...DEPLOYED_LEGACY_CONFIG, ...row.config, computeUnit: size(row.computeUnit) },
    metrics: {
      // The vectors have no MemTotal: the algorithm does not look at it.
      system: system === null ? null : { ...system, memTotalBytes: 0 },
      lfc: lfc === null ? null : { workingSetPagesPerMinute: lfc.wssPagesPerMinute },
    },
    vm:
      vm === null
        ? null
        : { bounds: { min: size(vm.min), max: size(vm.max) }, using: size(vm.use) },
    requested: asked === null ? null : { ...asked, base: size(asked.base) },
    denied:
      denied === null ? null : { current: size(denied.current), requested: size(denied.requested) },
    expect:
      "panic" in expect
        ? null
        : { ...expect, desired: expect.desired === null ? null : size(expect.desired) },
  };
}

function size({ vcpuMilli, memBytes }: VectorSize): Size {
  return { milliCpu: vcpuMilli, memBytes };
}
