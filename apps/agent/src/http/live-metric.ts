// Metrics whose values are read when somebody asks and kept nowhere: a VM that is gone has no series, and a thousand
// VMs cost no memory between two scrapes.
import {
  Counter,
  Gauge,
  type MetricObjectWithValues,
  type MetricValue,
  type Registry,
} from "prom-client";

export type Sample = Readonly<{ labels: Readonly<Record<string, string>>; value: number }>;

export type LiveMetric<Source> = Readonly<{
  name: string;
  /** One sentence, with what a special value means. */
  help: string;
  kind: "gauge" | "counter";
  /** Each is bounded: see docs/metrics.md. */
  labels: readonly string[];
  read: (source: Source) => readonly Sample[];
}>;

/** `source`: asked at each scrape. */
export function toMetric<Source>(definition: LiveMetric<Source>, source: () => Source) {
  const { name, help, labels, kind, read } = definition;
  const configuration: Configuration = { name, help, labelNames: labels, registers: [] };
  const values = () => [...read(source())] as MetricValue<string>[];
  return kind === "gauge" ? new Live(configuration, values) : new Count(configuration, values);
}

type Reading = () => MetricValue<string>[];
type Configuration = Readonly<{
  name: string;
  help: string;
  labelNames: readonly string[];
  registers: Registry[];
}>;

class Live extends Gauge {
  readonly #read: Reading;
  constructor(configuration: Configuration, read: Reading) {
    super(configuration);
    this.#read = read;
  }
  override async get(): Promise<MetricObjectWithValues<MetricValue<string>>> {
    return { ...(await super.get()), values: this.#read() };
  }
}

class Count extends Counter {
  readonly #read: Reading;
  constructor(configuration: Configuration, read: Reading) {
    super(configuration);
    this.#read = read;
  }
  override async get(): Promise<MetricObjectWithValues<MetricValue<string>>> {
    return { ...(await super.get()), values: this.#read() };
  }
}

export function sample(value: number, labels: Sample["labels"] = {}): Sample {
  return { labels, value };
}
