// Rule 1: what may be handed out, of which comfort takes less.
import { type Size } from "@selfscale/protocol";
import { minus } from "./amounts.ts";
import { type Capacity } from "./types.ts";

export type Room = Readonly<{
  /** What all VMs together may hold, their overhead taken off. Below 0: the node is too small for its VMs. */
  all: Size;
  /** The same without the headroom for emergencies. */
  comfort: Size;
}>;

/** `vms`: how many there are, running or not. */
export function roomOf(capacity: Capacity, vms: number): Room {
  const { size, reserve, overcommit, overheadPerVmBytes, emergency } = capacity;
  const all = {
    milliCpu: Math.floor(size.milliCpu * overcommit.cpu) - reserve.milliCpu,
    memBytes:
      Math.floor(size.memBytes * overcommit.mem) - reserve.memBytes - vms * overheadPerVmBytes,
  };
  return { all, comfort: minus(all, emergency) };
}
