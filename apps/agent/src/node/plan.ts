// What the operator said of the node, and what is found where nothing was said.
import { reserveOfDetected, type BrakeLimits } from "@selfscale/core";
import { type Size } from "@selfscale/protocol";
import { detectCpu, detectMemory, type NodePlace } from "./detect.ts";

export type NodePlan = Readonly<{
  /** null: detected. */
  milliCpu: number | null;
  memBytes: number | null;
  /** Kept for the node itself; null: nobody said how much. */
  reserve: Readonly<{ milliCpu: number; memBytes: number | null }>;
  place: NodePlace;
  /** null: the node never brakes. */
  brakes: BrakeLimits | null;
}>;

export const GIVEN = "given";

/** How large the node is now, and where that is from: the configuration, or a file of the kernel. */
export type NodeSize = Readonly<{
  size: Size;
  source: Readonly<{ cpu: string; mem: string }>;
  /** What is kept for the node itself when nobody says how much. */
  defaultReserve: Size;
}>;

/** Nothing was given and nothing on this machine says it. */
export class NodeSizeError extends Error {
  override readonly name = "NodeSizeError";
  readonly code = "NODE_SIZE";
  readonly resource: "cpu" | "mem";

  constructor(resource: "cpu" | "mem") {
    super(`node.${resource} can't be detected here`);
    this.resource = resource;
  }
}

/** Throws NodeSizeError. */
export function sizeNode({ milliCpu, memBytes, place }: NodePlan): NodeSize {
  const cpu = milliCpu === null ? detectCpu(place) : { amount: milliCpu, source: GIVEN };
  const mem = memBytes === null ? detectMemory(place) : { amount: memBytes, source: GIVEN };
  if (cpu === null) throw new NodeSizeError("cpu");
  if (mem === null) throw new NodeSizeError("mem");
  const reserveBytes = memBytes === null ? reserveOfDetected(mem.amount) : 0;
  return {
    size: { milliCpu: cpu.amount, memBytes: mem.amount },
    source: { cpu: cpu.source, mem: mem.source },
    defaultReserve: { milliCpu: 0, memBytes: reserveBytes },
  };
}

/** What is kept for the node: by the operator's word, else the little that a detected size leaves it. */
export function reserveOf(plan: NodePlan, { defaultReserve }: NodeSize): Size {
  const { milliCpu, memBytes } = plan.reserve;
  return { milliCpu, memBytes: memBytes ?? defaultReserve.memBytes };
}
