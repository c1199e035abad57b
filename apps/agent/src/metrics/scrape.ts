import { parseLegacyMetrics, type LegacyMetrics } from "@selfscale/core";
import { FetchError, fetchText, type FetchOutcome } from "./fetch-text.ts";
import { firstDelayMs, nextDelayMs } from "./pace.ts";
import { type MetricsSource } from "./sources.ts";

/** What came of one scrape that brought less than it was for. */
export type ScrapeOutcome =
  | Exclude<FetchOutcome, "stopped">
  /** A good page without a kind of metrics that it was read for, or with nonsense in it. */
  | "incomplete";

export type ScrapeOptions = Readonly<{
  source: MetricsSource;
  random: () => number;
  onMetrics: (metrics: LegacyMetrics) => void;
  onProblem: (outcome: ScrapeOutcome, problem: string) => void;
  /** However it ended. */
  onEnd?: (tookMs: number) => void;
}>;

/** Reads one address again and again, while it is wanted, one scrape at a time. */
export class Scraper {
  readonly #options: ScrapeOptions;
  #run: AbortController | null = null;
  #timer: NodeJS.Timeout | null = null;

  constructor(options: ScrapeOptions) {
    this.#options = options;
  }

  setWanted(isWanted: boolean): void {
    if (isWanted === (this.#run !== null)) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#run?.abort();
    this.#run = isWanted ? new AbortController() : null;
    const { source, random } = this.#options;
    if (this.#run !== null) {
      this.#schedule(firstDelayMs(source.everyMs, random()), this.#run.signal);
    }
  }

  #schedule(delayMs: number, signal: AbortSignal): void {
    this.#timer = setTimeout(() => void this.#scrape(signal), delayMs);
  }

  async #scrape(signal: AbortSignal): Promise<void> {
    const { source, random, onProblem } = this.#options;
    const startedAt = performance.now();
    try {
      const limits = { timeoutMs: source.deadlineMs, maxBytes: source.maxBytes };
      const text = await fetchText(source.url, limits, signal);
      if (!signal.aborted) this.#read(text);
    } catch (error) {
      if (!(error instanceof FetchError)) throw error;
      if (error.outcome !== "stopped") onProblem(error.outcome, error.message);
    }
    if (signal.aborted) return;
    const tookMs = performance.now() - startedAt;
    this.#options.onEnd?.(tookMs);
    this.#schedule(nextDelayMs(source.everyMs, tookMs, random()), signal);
  }

  #read(text: string): void {
    const { source, onMetrics, onProblem } = this.#options;
    const page = parseLegacyMetrics(text, source.kinds);
    if (!page.ok) {
      onProblem("malformed", page.problem);
      return;
    }
    const [problem] = page.problems;
    if (problem !== undefined) onProblem("incomplete", problem);
    // What is there counts all the same: the kinds do not spoil each other.
    if (page.metrics.system !== null || page.metrics.lfc !== null) onMetrics(page.metrics);
  }
}
