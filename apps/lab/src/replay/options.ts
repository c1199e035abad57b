// What the commands of the laboratory's machine can be told.

/** Actuators that exist somewhere: told directly, through an orchestrator, and measured on an emulated guest. */
export const ACTUATOR_CHOICES = ["fast", "slow", "tcg"] as const;
export type ActuatorChoice = (typeof ACTUATOR_CHOICES)[number];

/** The machine that traces are replayed on. */
export type MachineOptions = Readonly<{
  /** vCPUs of the machine that was measured; null: the trace says it, or its peak does. */
  cpus: number | null;
  maxMemGib: number | null;
  swapGib: number;
  actuator: ActuatorChoice;
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
  /** Where every score goes as JSON, besides. */
  saveFile: string | null;
}>;

export type ClairvoyantOptions = Readonly<{
  /** Also the dynamic programme that may let work wait. */
  hasStar: boolean;
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
