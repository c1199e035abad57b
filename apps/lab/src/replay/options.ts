// What the commands of the laboratory's machine can be told.
import { type ActuatorName } from "@selfscale/evaluation";

/** The machine that traces are replayed on. */
export type MachineOptions = Readonly<{
  /** vCPUs of the machine that was measured; null: the trace says it, or its peak does. */
  cpus: number | null;
  maxMemGib: number | null;
  swapGib: number;
  actuator: ActuatorName;
  isBursty: boolean;
  /** Of each trace so much is replayed. */
  hours: number;
}>;

export type Billing = "dimension" | "unit";

/** Both included. */
export type SeedRange = Readonly<{ from: number; to: number }>;

export type ReplayOptions = Readonly<{
  traces: readonly string[];
  policies: readonly string[];
  machine: MachineOptions;
  seed: number;
  isJson: boolean;
}>;

export type CompareOptions = Readonly<{
  traces: readonly string[];
  /** Names; null: none. */
  synthetic: readonly string[] | null;
  policies: readonly string[];
  machine: MachineOptions;
  seeds: SeedRange;
  baseline: string;
  billing: Billing;
  jobs: number;
  isJson: boolean;
  isMarkdown: boolean;
}>;

export type ClairvoyantOptions = Readonly<{
  traces: readonly string[];
  machine: MachineOptions;
  seed: number;
  isJson: boolean;
}>;

export type ChartOptions = Readonly<{
  trace: string | null;
  synthetic: string | null;
  policies: readonly string[];
  machine: MachineOptions;
  seed: number;
  outFile: string;
}>;
