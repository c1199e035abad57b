// Everything that is served over HTTP about one running agent.
import { type MonoMs } from "@selfscale/core";
import { Registry } from "prom-client";
import { type FleetStatus } from "../shell/fleet.ts";
import { livenessProblems, readinessProblems } from "./health.ts";
import { type Pages } from "./http-server.ts";
import { Instruments } from "./instruments.ts";
import { toMetric } from "./live-metric.ts";
import { LoopLag } from "./loop-lag.ts";
import { NODE_METRICS, type NodeView } from "./node-metrics.ts";
import { VM_METRICS } from "./vm-metrics.ts";

/** The registry of one agent. Made before its fleet, which is given the instruments. */
export class Telemetry {
  readonly registry = new Registry();
  readonly instruments = new Instruments(this.registry);
  readonly #lag: LoopLag;
  #status: (() => FleetStatus) | null = null;
  #pressure: () => NodeView["pressure"] = () => ({ memory: null, cpu: null, io: null });
  /** Taken once per scrape, not once per metric. */
  #seen: NodeView | null = null;

  constructor(now: () => MonoMs = () => performance.now()) {
    this.#lag = new LoopLag(now, (ms) => this.instruments.lagged(ms));
    const seen = (): NodeView => {
      if (this.#seen === null) throw new Error("metrics are read through page()");
      return this.#seen;
    };
    for (const one of [...NODE_METRICS, ...VM_METRICS]) {
      this.registry.registerMetric(toMetric(one, seen));
    }
  }

  /** From now on there is something to show. */
  start(status: () => FleetStatus): void {
    this.#status = status;
    this.#lag.start();
  }

  watchPressure(pressure: () => NodeView["pressure"]): void {
    this.#pressure = pressure;
  }

  stop(): void {
    this.#lag.stop();
  }

  pages(): Pages {
    return {
      metrics: () => this.#page(),
      metricsType: this.registry.contentType,
      liveness: () => livenessProblems(this.#take().vms, this.#lag.worstMs),
      readiness: () => readinessProblems(this.#take().vms),
    };
  }

  async #page(): Promise<string> {
    this.#seen = { ...this.#take(), pressure: this.#pressure() };
    try {
      return await this.registry.metrics();
    } finally {
      this.#seen = null;
    }
  }

  #take(): FleetStatus {
    if (this.#status === null) throw new Error("nothing is shown before start()");
    return this.#status();
  }
}
