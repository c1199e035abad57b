// The grid a VM's sizes lie on, and how a wish is brought onto it. Two sizes in one cell are the same size.
import { type Bounds, type Size } from "@selfscale/protocol";
import { type HypervisorFacts } from "./types.ts";

export const MIB = 1024 * 1024;
/** A Linux memory block on x86-64 below 64 GiB; finer steps only leave half-used blocks behind. */
const MEMORY_STEP_BYTES = 128 * MIB;
/** Quarters of a core, where a quota can be set. */
const QUOTA_STEP_MILLI = 250;

export type Grid = Readonly<{
  /** Memory cells are counted from here: base memory can't be unplugged. */
  baseMemBytes: number;
  /** 0 when memory is fixed. */
  memStepBytes: number;
  cpuStepMilli: number;
  /** What the machine could be given at all, whatever the bounds say. */
  most: Size;
}>;

/** The grid of one VM, from what QEMU shows and whether a quota can be set. */
export function gridOf(facts: HypervisorFacts, hasQuota: boolean): Grid {
  const device = facts.memoryDevice;
  return {
    baseMemBytes: facts.baseMemBytes,
    memStepBytes: device === null ? 0 : Math.max(MEMORY_STEP_BYTES, device.blockBytes),
    cpuStepMilli: hasQuota ? QUOTA_STEP_MILLI : 1000,
    most: {
      milliCpu: facts.vcpusMax * 1000,
      memBytes: facts.baseMemBytes + (device?.maxBytes ?? 0),
    },
  };
}

/** The smallest size on the grid that is not below `bytes`. */
export function memCellUp(bytes: number, grid: Grid): number {
  if (grid.memStepBytes === 0 || bytes <= grid.baseMemBytes) return grid.baseMemBytes;
  const above = bytes - grid.baseMemBytes;
  return grid.baseMemBytes + Math.ceil(above / grid.memStepBytes) * grid.memStepBytes;
}

/** The largest size on the grid that is not above `bytes`; never below base memory. */
export function memCellDown(bytes: number, grid: Grid): number {
  if (grid.memStepBytes === 0 || bytes <= grid.baseMemBytes) return grid.baseMemBytes;
  const above = bytes - grid.baseMemBytes;
  return grid.baseMemBytes + Math.floor(above / grid.memStepBytes) * grid.memStepBytes;
}

export function cpuCellUp(milliCpu: number, grid: Grid): number {
  return Math.max(1, Math.ceil(milliCpu / grid.cpuStepMilli)) * grid.cpuStepMilli;
}

export function cpuCellDown(milliCpu: number, grid: Grid): number {
  return Math.max(1, Math.floor(milliCpu / grid.cpuStepMilli)) * grid.cpuStepMilli;
}

/** The operator's bounds on the grid: min up, max down, both within what the machine can have. */
export function boundsOnGrid(bounds: Bounds, grid: Grid): Bounds {
  const max = {
    milliCpu: cpuCellDown(Math.min(bounds.max.milliCpu, grid.most.milliCpu), grid),
    memBytes: memCellDown(Math.min(bounds.max.memBytes, grid.most.memBytes), grid),
  };
  return {
    max,
    min: {
      milliCpu: Math.min(max.milliCpu, cpuCellUp(bounds.min.milliCpu, grid)),
      memBytes: Math.min(max.memBytes, memCellUp(bounds.min.memBytes, grid)),
    },
  };
}

/** A wish rounded up per resource and cut to the bounds. */
export function clampToBounds(wish: Size, bounds: Bounds, grid: Grid): Size {
  const onGrid = boundsOnGrid(bounds, grid);
  const cut = (value: number, min: number, max: number) => Math.min(Math.max(value, min), max);
  return {
    milliCpu: cut(cpuCellUp(wish.milliCpu, grid), onGrid.min.milliCpu, onGrid.max.milliCpu),
    memBytes: cut(memCellUp(wish.memBytes, grid), onGrid.min.memBytes, onGrid.max.memBytes),
  };
}
