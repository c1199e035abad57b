import { type AgentConfig } from "../config/load.ts";
import { type Log } from "../log.ts";
import { NodeWatch, type NodeReading } from "./node-watch.ts";

const UNKNOWN: NodeWatch["pressure"] = { cpu: null, memory: null, io: null };

/** One watch over the node at a time: another configuration may look elsewhere, and by other limits. */
export class NodeMinder {
  readonly #onChange: (reading: NodeReading) => void;
  readonly #log: Log;
  #watch: NodeWatch | null = null;

  constructor(onChange: (reading: NodeReading) => void, log: Log) {
    this.#onChange = onChange;
    this.#log = log;
  }

  get pressure(): NodeWatch["pressure"] {
    return this.#watch?.pressure ?? UNKNOWN;
  }

  /** By this configuration from now on. */
  mind({ nodePlan: plan, nodeSize, shellTimers }: AgentConfig): void {
    this.stop();
    const { capacityEveryMs, brakeEveryMs } = shellTimers;
    const onChange = this.#onChange;
    const watched = { plan, log: this.#log, capacityEveryMs, brakeEveryMs, onChange };
    this.#watch = new NodeWatch(watched, nodeSize);
    this.#watch.start();
  }

  stop(): void {
    this.#watch?.stop();
  }
}
