// Sizes as two numbers that are counted apart.
import { type Size } from "@selfscale/protocol";
import { type Resource } from "./types.ts";

export const NOTHING: Size = { milliCpu: 0, memBytes: 0 };

export function both(amount: (of: Resource) => number): Size {
  return { milliCpu: amount("milliCpu"), memBytes: amount("memBytes") };
}

export function plus(a: Size, b: Size): Size {
  return { milliCpu: a.milliCpu + b.milliCpu, memBytes: a.memBytes + b.memBytes };
}

export function minus(a: Size, b: Size): Size {
  return { milliCpu: a.milliCpu - b.milliCpu, memBytes: a.memBytes - b.memBytes };
}

export function most(a: Size, b: Size): Size {
  return {
    milliCpu: Math.max(a.milliCpu, b.milliCpu),
    memBytes: Math.max(a.memBytes, b.memBytes),
  };
}

export function least(a: Size, b: Size): Size {
  return {
    milliCpu: Math.min(a.milliCpu, b.milliCpu),
    memBytes: Math.min(a.memBytes, b.memBytes),
  };
}

export function sameSize(a: Size | null, b: Size | null): boolean {
  if (a === null || b === null) return a === b;
  return a.milliCpu === b.milliCpu && a.memBytes === b.memBytes;
}
