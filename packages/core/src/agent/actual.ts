// Reading sizes out of what QEMU and the kernel report. `actual` comes from nowhere else.
import { type Size } from "@selfscale/protocol";
import { type HypervisorFacts } from "./types.ts";

const NOTHING: Size = { milliCpu: 0, memBytes: 0 };

/** base + virtio-mem `size`; plugged vCPUs or the quota, whichever is less. */
export function actualOf(facts: HypervisorFacts): Size {
  const plugged = facts.vcpusPlugged * 1000;
  return {
    milliCpu: facts.quotaMilliCpu === null ? plugged : Math.min(plugged, facts.quotaMilliCpu),
    memBytes: facts.baseMemBytes + (facts.memoryDevice?.sizeBytes ?? 0),
  };
}

/** What QEMU was last told to reach. */
export function requestedMemOf(facts: HypervisorFacts): number {
  return facts.baseMemBytes + (facts.memoryDevice?.requestedBytes ?? 0);
}

/**
 * What capacity counts. After a reset `size` is 0 for seconds while the guest plugs `requested`
 * again, so the larger of both is held. `inFlight`: what was told and may arrive yet, a loan included.
 */
export function heldOf(facts: HypervisorFacts, inFlight: Size = NOTHING): Size {
  const actual = actualOf(facts);
  return {
    milliCpu: Math.max(actual.milliCpu, inFlight.milliCpu),
    memBytes: Math.max(actual.memBytes, requestedMemOf(facts), inFlight.memBytes),
  };
}
