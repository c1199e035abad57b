const NAMES = [
  "steps",
  "restarts",
  "ordersTaken",
  "dials",
  "dialsFailed",
  "framesReceived",
  "framesCoalesced",
  "framesSent",
  "floods",
  "attaches",
  "observations",
  "commandsDone",
  "commandsFailed",
  "scrapes",
  "scrapesFailed",
  // Each failed one is also one of these.
  "scrapesUnreachable",
  "scrapesTimedOut",
  "scrapesRefused",
  "scrapesTooLarge",
  "scrapesEncoded",
  "scrapesMalformed",
  "scrapesIncomplete",
] as const;

export type CounterName = (typeof NAMES)[number];
export type CounterValues = Readonly<Record<CounterName, number>>;

/** How often things happened to one VM since the agent started. */
export class Counters {
  readonly #values = new Map<CounterName, number>();

  add(name: CounterName): void {
    this.#values.set(name, (this.#values.get(name) ?? 0) + 1);
  }

  values(): CounterValues {
    const all = NAMES.map((name) => [name, this.#values.get(name) ?? 0]);
    return Object.fromEntries(all) as CounterValues;
  }
}
