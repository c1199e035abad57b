// What a monitor reads in its guest: the truth, or what somebody wants it to believe.
import { type CpuSample, type MemorySample } from "@selfscale/core";
import { type Random } from "../random.ts";
import { MIB } from "../units.ts";
import { type Machine } from "./machine.ts";
import { type Sensors } from "./monitor-process.ts";

export function trueSensors(machine: Machine): Sensors {
  return {
    readCpu: () => machine.guest.readCpu(),
    readMemory: () => machine.guest.readMemory(machine.memBytes),
  };
}

/** How the readings lie. */
const STARVING = 0;
const IDLE = 1;

/** `how`: null while they tell the truth. */
export function lyingSensors(honest: Sensors, random: Random, how: () => number | null): Sensors {
  return {
    readCpu: () => {
      const lie = how();
      const sample = honest.readCpu();
      return lie === null ? sample : lieCpu(sample, lie, random);
    },
    readMemory: () => {
      const lie = how();
      const sample = honest.readMemory();
      return lie === null ? sample : lieMemory(sample, lie, random);
    },
  };
}

function lieCpu(sample: CpuSample, lie: number, random: Random): CpuSample {
  if (lie === IDLE) return { ...sample, busyMs: 0, runDelayMs: 0, somePressureMs: 0, runnable: 1 };
  if (lie === STARVING) {
    const runDelayMs = (sample.runDelayMs ?? 0) * 50 + 1e6 * random.next();
    return { ...sample, runDelayMs, runnable: 500 };
  }
  return {
    busyMs: random.between(0, 1e6),
    runDelayMs: random.chance(0.5) ? null : random.between(0, 1e6),
    somePressureMs: random.chance(0.5) ? null : random.between(0, 1e6),
    runnable: random.between(0, 100),
    onlineCount: random.between(1, 8),
    presentCount: 8,
  };
}

function lieMemory(sample: MemorySample, lie: number, random: Random): MemorySample {
  const { totalBytes } = sample;
  if (lie === IDLE) return { ...sample, availableBytes: totalBytes, anonBytes: 0, cachedBytes: 0 };
  if (lie === STARVING) return { ...sample, availableBytes: 0, anonBytes: totalBytes };
  const any = () => random.between(0, 4096) * MIB;
  return {
    ...sample,
    totalBytes: random.between(1, 4096) * MIB,
    availableBytes: any(),
    anonBytes: any(),
    cachedBytes: any(),
    counters: null,
    blocks: random.chance(0.5) ? null : sample.blocks,
  };
}
