// What the algorithm can't work with. Told at start, because the deployed agent crashes on the first scrape instead.
import { type LegacyConfig } from "./types.ts";

/** The first thing wrong with a configuration, by its published name; null when it is sound. */
export function legacyConfigProblem(config: LegacyConfig): string | null {
  return (
    unitProblem(config) ??
    factorProblem(config) ??
    windowProblem(config.lfcWindowSizeMinutes, config.lfcMinWaitBeforeDownscaleMinutes)
  );
}

function unitProblem({ computeUnit }: LegacyConfig): string | null {
  for (const field of ["milliCpu", "memBytes"] as const) {
    const value = computeUnit[field];
    if (!Number.isSafeInteger(value) || value <= 0) {
      return `computeUnit.${field} is ${value}, expected a whole number above 0`;
    }
  }
  return null;
}

const DIVISORS = [
  "loadAverageFractionTarget",
  "memoryUsageFractionTarget",
  "memoryTotalFractionTarget",
  "lfcToMemoryRatio",
] as const;
const TIMES = ["requestedUpscaleValidSeconds", "retryDeniedDownscaleSeconds"] as const;
const ZONES = ["cpuStableZoneRatio", "cpuMixedZoneRatio"] as const;

function factorProblem(config: LegacyConfig): string | null {
  for (const name of [...DIVISORS, ...TIMES]) {
    const value = config[name];
    if (!Number.isFinite(value) || value <= 0) return `${name} is ${value}, expected above 0`;
  }
  for (const name of ZONES) {
    const value = config[name];
    if (!Number.isFinite(value) || value < 0) return `${name} is ${value}, expected 0 or more`;
  }
  return null;
}

function windowProblem(windowMinutes: number, minWaitMinutes: number): string | null {
  if (!Number.isInteger(windowMinutes) || windowMinutes < 2) {
    return `lfcWindowSizeMinutes is ${windowMinutes}, expected a whole number of at least 2`;
  }
  if (!Number.isInteger(minWaitMinutes) || minWaitMinutes < windowMinutes) {
    return (
      `lfcMinWaitBeforeDownscaleMinutes is ${minWaitMinutes}, expected a whole number of ` +
      `at least lfcWindowSizeMinutes, which is ${windowMinutes}`
    );
  }
  return null;
}
