// A trace: what somebody measured of a VM, point by point, before it becomes a workload tick by tick.

/**
 * Points in rising order of time. Each value holds from its point on; what was not measured is null.
 * All arrays have one entry per point.
 */
export type Trace = Readonly<{
  /** Seconds since the first point. */
  atSec: Float64Array;
  /** Usual distance of two points, seconds. */
  intervalSec: number;
  cpu: Float64Array;
  /** What `cpu` counts: vCPUs, or the share of a machine whose size is not in the trace. */
  cpuUnit: "vcpus" | "share";
  anonGib: Float64Array | null;
  workingSetGib: Float64Array | null;
  readGibPerSec: Float64Array | null;
}>;

/** Where a trace is wrong, and how. `column`: its name, or "column 3". */
export type TraceProblem = Readonly<{ line: number; column: string | null; problem: string }>;

/** `notes`: what was repaired and how, for the reader to know. */
export type ParsedTrace =
  | Readonly<{ ok: true; trace: Trace; notes: readonly string[] }>
  | (Readonly<{ ok: false }> & TraceProblem);
