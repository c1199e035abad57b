// What the loops tell about themselves while they work: how long steps took, and how they ended. Whoever listens
// counts; nothing is decided from it.
import { type AgentReason, type Outcome } from "@selfscale/protocol";

/** Everything whose time is taken, with what begins and what ends it. A closed list. */
export const TIMED_STEPS = {
  "wish-to-answer": "from a ScaleRequest to the ScaleResponse that answers it",
  "wish-to-command":
    "from a rising wish to the first command of that growth, waiting for room included",
  "command-to-done": "from a command (memory, vCPUs, quota) to the word of QEMU or the kernel",
  "growth-to-actual-cpu": "from the command to the CPU being there",
  "growth-to-actual-mem": "from the command to the memory being plugged by the guest",
  "ask-to-consent": "from a DownscaleRequest to its DownscaleResult",
  "unplug-slice": "from the command to the end of one slice, met or settled short",
  "notification-to-confirmation": "from an UpscaleNotification to its confirmation",
  "health-check": "one HealthCheck there and back",
  observe: "reading everything from one QEMU",
  scrape: "reading one VM's metrics, failures included",
  "core-step": "one step of one VM's machine",
} as const;
export type TimedStep = keyof typeof TIMED_STEPS;

/** One resource of a ScaleResponse. */
export type AnsweredResource = Readonly<{ outcome: Outcome; reason?: AgentReason }>;

/** Must not throw, and costs each caller less than a microsecond. */
export interface Observer {
  took(step: TimedStep, ms: number): void;
  /** An explanation was given: a word of AGENT_NOTES. */
  noted(reason: string): void;
  /** A ScaleResponse went out. */
  answered(resources: Readonly<{ cpu: AnsweredResource; mem: AnsweredResource }>): void;
}

const nothing = () => undefined;
export const NO_OBSERVER: Observer = { took: nothing, noted: nothing, answered: nothing };
