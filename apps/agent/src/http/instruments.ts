// What is counted while the agent works, for all VMs together: per VM these would be too many series.
import { AGENT_NOTES } from "@selfscale/core";
import { AGENT_REASONS, OUTCOMES } from "@selfscale/protocol";
import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import { TIMED_STEPS, type Observer, type TimedStep } from "../shell/observer.ts";
import { NO_REASON } from "./vm-metrics.ts";

/** Seconds. From a step of the machine (tens of microseconds) to a slice that takes half a minute; 20 ms is promised. */
const STEP_BUCKETS = [
  0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5,
  5, 10, 30,
];
const LAG_BUCKETS = [0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
/** A word that is not in the lists: a mistake of ours that must not grow the page. */
const OTHER = "other";

type Timer = Histogram.Internal<"step">;
type Tally = Pick<Counter.Internal, "inc">;

export class Instruments implements Observer {
  readonly #steps: ReadonlyMap<TimedStep, Timer>;
  readonly #notes: ReadonlyMap<string, Tally>;
  readonly #responses: ReadonlyMap<string, Tally>;
  readonly #lag: Histogram;
  readonly #reloads: Counter<"result">;
  readonly #isReloadGood: Gauge;
  readonly #reloadedAt: Gauge;

  constructor(registry: Registry) {
    const registers = [registry];
    this.#steps = timers(registers);
    this.#notes = notes(registers);
    this.#responses = responses(registers);
    this.#lag = new Histogram({
      name: "selfscale_event_loop_lag_seconds",
      help: "How late a timer of the agent fires: what everything it does waits for.",
      buckets: LAG_BUCKETS,
      registers,
    });
    this.#reloads = new Counter({
      name: "selfscale_config_loads_total",
      help: "Times the configuration was read, at start and since, by how that went.",
      labelNames: ["result"],
      registers,
    });
    for (const result of ["success", "failure"] as const) this.#reloads.inc({ result }, 0);
    this.#isReloadGood = new Gauge({
      name: "selfscale_config_last_load_successful",
      help: "1 when the newest configuration is in force, 0 when it was refused and the old one is.",
      registers,
    });
    this.#reloadedAt = new Gauge({
      name: "selfscale_config_last_load_success_timestamp_seconds",
      help: "When the configuration in force was read, in seconds since 1970.",
      registers,
    });
  }

  took(step: TimedStep, ms: number): void {
    this.#steps.get(step)?.observe(ms / 1000);
  }

  noted(reason: string): void {
    (this.#notes.get(reason) ?? this.#notes.get(OTHER))?.inc();
  }

  answered(resources: Parameters<Observer["answered"]>[0]): void {
    for (const resource of ["cpu", "mem"] as const) {
      const { outcome, reason = NO_REASON } = resources[resource];
      this.#responses.get(responseKey(resource, outcome, reason))?.inc();
    }
  }

  lagged(ms: number): void {
    this.#lag.observe(ms / 1000);
  }

  /** The configuration was read. `atMs`: milliseconds since 1970. */
  loaded(isGood: boolean, atMs: number): void {
    this.#reloads.inc({ result: isGood ? "success" : "failure" });
    this.#isReloadGood.set(isGood ? 1 : 0);
    if (isGood) this.#reloadedAt.set(atMs / 1000);
  }
}

function timers(registers: Registry[]): ReadonlyMap<TimedStep, Timer> {
  const histogram = new Histogram({
    name: "selfscale_step_duration_seconds",
    help: "How long each kind of step took, over all VMs. The steps are listed in docs/metrics.md.",
    labelNames: ["step"],
    buckets: STEP_BUCKETS,
    registers,
  });
  const steps = Object.keys(TIMED_STEPS) as TimedStep[];
  for (const step of steps) histogram.zero({ step });
  return new Map(steps.map((step) => [step, histogram.labels(step)]));
}

/** Every series is there from the start, at zero: the first time is an increase too. */
function notes(registers: Registry[]): ReadonlyMap<string, Tally> {
  const counter = new Counter({
    name: "selfscale_notes_total",
    help: "Explanations given, over all VMs, by reason: each refusal, move and surprise is one.",
    labelNames: ["reason"],
    registers,
  });
  return new Map(
    [...Object.keys(AGENT_NOTES), OTHER].map((reason) => {
      const tally = counter.labels(reason);
      tally.inc(0);
      return [reason, tally];
    }),
  );
}

function responses(registers: Registry[]): ReadonlyMap<string, Tally> {
  const counter = new Counter({
    name: "selfscale_scale_responses_total",
    help: "Answers to ScaleRequests, over all VMs, by resource, outcome and reason.",
    labelNames: ["resource", "outcome", "reason"],
    registers,
  });
  const tallies = new Map<string, Tally>();
  for (const resource of ["cpu", "mem"]) {
    for (const outcome of OUTCOMES) {
      for (const reason of [...AGENT_REASONS, NO_REASON]) {
        const tally = counter.labels(resource, outcome, reason);
        tally.inc(0);
        tallies.set(responseKey(resource, outcome, reason), tally);
      }
    }
  }
  return tallies;
}

function responseKey(resource: string, outcome: string, reason: string): string {
  return `${resource} ${outcome} ${reason}`;
}
