// Resizable buffers are in Node 20 already, in TypeScript's library only from ES2024 on.
/// <reference lib="es2024.arraybuffer" />
import { performance } from "node:perf_hooks";
import { readLine, type Roots } from "./identity.ts";

/** rMax: the fastest that memory can be taken here, and how we know. */
export type PageIn = Readonly<{
  maxBytesPerSec: number;
  source: "config" | "kvm-or-metal" | "calibrated";
}>;

const MIB = 1024 * 1024;
/** What KVM guests and bare metal reach: one core taking fresh pages of a large mapping. */
export const FAST_BYTES_PER_SEC = 2.5 * 1024 * MIB;
/** 4096 page faults: enough to time, small enough for a 256 MiB guest. */
const CALIBRATION_BYTES = 16 * MIB;
const CALIBRATION_ROUNDS = 5;
/**
 * The machine may be busy while we measure (it is booting), several CPUs may allocate at once, and
 * huge pages come cheaper than the small ones we touch.
 */
const SAFETY_FACTOR = 2;

/** The configured rate, or the one that fits this machine. */
export function pageInRate(configured: number | "auto", roots: Roots): PageIn {
  if (configured !== "auto") return { maxBytesPerSec: configured, source: "config" };
  if (!isEmulated(readMachineSigns(roots))) {
    return { maxBytesPerSec: FAST_BYTES_PER_SEC, source: "kvm-or-metal" };
  }
  return { maxBytesPerSec: calibrate(), source: "calibrated" };
}

/** What tells an emulated CPU from a real one. Texts of the files, null where there is none. */
export type MachineSigns = Readonly<{
  /** /proc/cpuinfo */
  cpuinfo: string | null;
  /** …/clocksource0/available_clocksource */
  clocksources: string | null;
  /** /sys/class/dmi/id/sys_vendor */
  vendor: string | null;
}>;

/**
 * True when QEMU interprets this machine's code (TCG). `-cpu max` and `qemu64` name themselves. With
 * a named model (`-cpu EPYC`) the name lies, so on x86 a QEMU machine that offers neither KVM's nor
 * Hyper-V's clock counts as emulated: guessing so for a KVM machine costs one calibration.
 */
export function isEmulated(signs: MachineSigns): boolean {
  const cpuinfo = signs.cpuinfo ?? "";
  if (/^model name\s*:.*QEMU (TCG|Virtual) CPU/m.test(cpuinfo)) return !hasParavirtualClock(signs);
  const isX86 = /^vendor_id\s*:/m.test(cpuinfo);
  return isX86 && signs.vendor?.trim() === "QEMU" && !hasParavirtualClock(signs);
}

function hasParavirtualClock(signs: MachineSigns): boolean {
  return /kvm-clock|hyperv/.test(signs.clocksources ?? "");
}

function readMachineSigns(roots: Roots): MachineSigns {
  const clock = `${roots.sys}/devices/system/clocksource/clocksource0/available_clocksource`;
  return {
    cpuinfo: readLine(`${roots.proc}/cpuinfo`),
    clocksources: readLine(clock),
    vendor: readLine(`${roots.sys}/class/dmi/id/sys_vendor`),
  };
}

/**
 * Times how fast fresh pages can be filled: the median of a few rounds, times the safety factor,
 * never above what real CPUs reach. A resizable buffer gives its pages back at once when it
 * shrinks, so every round faults in fresh ones and nothing stays.
 */
export function calibrate(): number {
  const buffer = new ArrayBuffer(0, { maxByteLength: CALIBRATION_BYTES });
  const bytes = new Uint8Array(buffer);
  const rates: number[] = [];
  for (let round = 0; round < CALIBRATION_ROUNDS; round++) {
    buffer.resize(CALIBRATION_BYTES);
    const begin = performance.now();
    bytes.fill(1);
    rates.push(CALIBRATION_BYTES / ((performance.now() - begin) / 1000));
    buffer.resize(0);
  }
  const median = rates.sort((a, b) => a - b)[CALIBRATION_ROUNDS >> 1] ?? FAST_BYTES_PER_SEC;
  return Math.round(Math.min(median * SAFETY_FACTOR, FAST_BYTES_PER_SEC));
}
