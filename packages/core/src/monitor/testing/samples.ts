// Readings of a guest that need not make sense together: a broken kernel, a stopped clock, a machine of another size.
import * as fc from "fast-check";
import { type MemorySample } from "../types.ts";

const MIB = 1024 ** 2;

const bytes = fc.integer({ min: 0, max: 4096 }).map((mib) => mib * MIB);
const counter = fc.integer({ min: 0, max: 1_000_000 });
const cpus = fc.integer({ min: 1, max: 8 });

export const memorySample: fc.Arbitrary<MemorySample> = fc.record({
  totalBytes: fc.integer({ min: 1, max: 4096 }).map((mib) => mib * MIB),
  availableBytes: bytes,
  cachedBytes: bytes,
  swapTotalBytes: fc.constantFrom(0, 1024 * MIB),
  swapFreeBytes: fc.constantFrom(0, 512 * MIB),
  anonBytes: bytes,
  shmemBytes: bytes,
  counters: fc.option(
    fc.record({
      refaultedAnonPages: counter,
      refaultedFilePages: counter,
      allocationStalls: counter,
      oomKills: fc.integer({ min: 0, max: 3 }),
    }),
  ),
  somePressureMs: fc.option(counter),
  blocks: fc.option(
    fc.record({
      blockBytes: fc.constant(128 * MIB),
      onlineCount: fc.integer({ min: 0, max: 32 }),
      offlineCount: fc.integer({ min: 0, max: 4 }),
    }),
  ),
});

export const cpuSample = fc
  .record({
    busyMs: counter,
    runDelayMs: fc.option(counter),
    somePressureMs: fc.option(counter),
    runnable: fc.option(cpus),
    onlineCount: cpus,
    offlineCount: fc.integer({ min: 0, max: 4 }),
  })
  .map(({ offlineCount, ...sample }) => ({
    ...sample,
    presentCount: sample.onlineCount + offlineCount,
  }));
