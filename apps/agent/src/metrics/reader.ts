import { type LegacyMetrics } from "@selfscale/core";
import { type Log } from "../log.ts";
import { ChangedReason } from "../shell/changed-reason.ts";
import { type CounterName, type Counters } from "../shell/counters.ts";
import { type Observer } from "../shell/observer.ts";
import { Scraper, type ScrapeOutcome } from "./scrape.ts";
import { type MetricsSource } from "./sources.ts";

const COUNTERS: Readonly<Record<ScrapeOutcome, CounterName>> = {
  unreachable: "scrapesUnreachable",
  "timed-out": "scrapesTimedOut",
  refused: "scrapesRefused",
  "too-large": "scrapesTooLarge",
  encoded: "scrapesEncoded",
  malformed: "scrapesMalformed",
  incomplete: "scrapesIncomplete",
};

export type MetricsReaderOptions = Readonly<{
  sources: readonly MetricsSource[];
  log: Log;
  counters: Counters;
  observer: Observer;
  random: () => number;
  onMetrics: (metrics: LegacyMetrics) => void;
}>;

/** All the addresses of one VM. Each goes its own way: one that hangs delays no other. */
export class MetricsReader {
  readonly #options: MetricsReaderOptions;
  readonly #scrapers: readonly Scraper[];

  constructor(options: MetricsReaderOptions) {
    this.#options = options;
    this.#scrapers = options.sources.map((source) => this.#scraperOf(source));
  }

  setWanted(isWanted: boolean): void {
    for (const scraper of this.#scrapers) scraper.setWanted(isWanted);
  }

  #scraperOf(source: MetricsSource): Scraper {
    const { log, counters, observer, random, onMetrics } = this.#options;
    const last = new ChangedReason();
    // By outcome, not by wording: a guest must not fill the log with ever new nonsense.
    const onProblem = (outcome: ScrapeOutcome, problem: string) => {
      counters.add("scrapesFailed");
      counters.add(COUNTERS[outcome]);
      if (last.isNews(outcome)) {
        log.warn({ problem, outcome, address: source.name }, "metrics can't be read");
      }
    };
    return new Scraper({
      source,
      random,
      onProblem,
      onEnd: (tookMs) => observer.took("scrape", tookMs),
      onMetrics: (metrics) => {
        const isWhole = source.kinds.every((kind) => metrics[kind] !== null);
        if (isWhole) {
          counters.add("scrapes");
          if (last.clear()) log.info({ address: source.name }, "metrics can be read again");
        }
        onMetrics(metrics);
      },
    });
  }
}
