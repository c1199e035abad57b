import { parseLegacyMetrics, type LegacyMetrics } from "@selfscale/core";
import { type ShellTimers } from "../shell/timers.ts";
import { FetchError, fetchText } from "./fetch-text.ts";

/** A page of host metrics is a few kilobytes. */
const MAX_BODY_BYTES = 1024 * 1024;

export type ScrapeOptions = Readonly<{
  url: string;
  timers: ShellTimers;
  random: () => number;
  onMetrics: (metrics: LegacyMetrics) => void;
  onProblem: (problem: string) => void;
}>;

/** Reads one VM's metrics page again and again, while it is wanted. */
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
    // The first one at a random instant: the VMs of a node are not all read at once.
    const { timers, random } = this.#options;
    if (this.#run !== null) this.#schedule(random() * timers.scrapeEveryMs, this.#run.signal);
  }

  #schedule(delayMs: number, signal: AbortSignal): void {
    this.#timer = setTimeout(() => void this.#scrape(signal), delayMs);
  }

  async #scrape(signal: AbortSignal): Promise<void> {
    const { url, timers, onMetrics, onProblem } = this.#options;
    const startedAt = performance.now();
    try {
      const limits = { timeoutMs: timers.scrapeMs, maxBytes: MAX_BODY_BYTES };
      const page = parseLegacyMetrics(await fetchText(url, limits, signal));
      if (!signal.aborted) {
        if (page.ok) onMetrics(page.metrics);
        else onProblem(page.problem);
      }
    } catch (error) {
      if (!(error instanceof FetchError)) throw error;
      if (!signal.aborted) onProblem(error.message);
    }
    if (signal.aborted) return;
    const tookMs = performance.now() - startedAt;
    this.#schedule(Math.max(0, timers.scrapeEveryMs - tookMs), signal);
  }
}
