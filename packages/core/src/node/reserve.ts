const MIB = 1024 ** 2;
/** Kernel, QEMUs' page tables, the agent and a shell to look at them with. */
const LEAST_BYTES = 512 * MIB;
const SHARE = 0.05;

/**
 * What a node keeps for itself when its memory was found and not given: a twentieth, at least 512 MiB. Who gives a
 * size has thought of it already.
 */
export function reserveOfDetected(memBytes: number): number {
  const wanted = Math.max(LEAST_BYTES, Math.ceil(memBytes * SHARE));
  return Math.min(memBytes, wanted);
}
