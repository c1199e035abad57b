// What holds on every connection, whatever is being checked on it: a referee for each, and a book of what they saw.
import { Referee, RULES, sideOf, type RuleId, type Side } from "@selfscale/referee";
import { Broken, NotApplicable, type Check, type Line } from "./check.ts";
import { type Wire } from "./wire.ts";

/** How late something may be seen before it counts as late. */
const SLACK_MS = 1_500;
/** Enough to show what led to it. */
const EVIDENCE_LINES = 12;

type Breach = Readonly<{ times: number; why: string; lines: readonly Line[] }>;
type Watched = Readonly<{ referee: Referee; lines: Line[] }>;

/** Watches every connection of a run. The subject is judged; the kit may break rules as it must. */
export class Watch {
  readonly #side: Side;
  readonly #slackMs: number;
  readonly #tempo: number;
  readonly #watched = new Map<Wire, Watched>();
  readonly #judged = new Set<RuleId>();
  readonly #breaches = new Map<RuleId, Breach>();

  /** `tempo`: factor on the protocol's own times, for a subject whose timers were changed by as much. */
  constructor(side: Side, patience: number, tempo = 1) {
    this.#side = side;
    this.#slackMs = SLACK_MS * patience;
    this.#tempo = tempo;
  }

  /** Everything said on a connection, as it is said. */
  hear(line: Line, wire: Wire): void {
    const { referee, lines } = this.#open(wire);
    lines.push(line);
    if (lines.length > EVIDENCE_LINES) lines.shift();
    const before = referee.violations.length;
    const atMs = line.atMs / this.#tempo;
    if (line.who === "note") {
      if (wire.closed === null) return;
      referee.end(atMs);
      this.#watched.delete(wire);
    } else {
      const other = this.#side === "agent" ? "monitor" : "agent";
      const from = line.who === "subject" ? this.#side : other;
      referee.hear({ atMs, from, text: line.text });
    }
    for (const rule of referee.judged.keys()) this.#judged.add(rule);
    for (const { rule, why } of referee.violations.slice(before)) {
      const first = this.#breaches.get(rule) ?? { times: 0, why, lines: [...lines] };
      this.#breaches.set(rule, { ...first, times: first.times + 1 });
    }
  }

  /** Throws Broken with what showed it first, or NotApplicable when nothing that was said had to do with the rule. */
  demand(rule: RuleId): void {
    const breach = this.#breaches.get(rule);
    if (breach !== undefined) {
      const times = breach.times === 1 ? "once" : `${breach.times} times`;
      throw new Broken(`broken ${times}, first: ${breach.why}`, breach.lines);
    }
    if (!this.#judged.has(rule)) throw new NotApplicable("nothing that was said shows it");
  }

  #open(wire: Wire): Watched {
    const known = this.#watched.get(wire);
    if (known !== undefined) return known;
    const opened = { referee: new Referee({ slackMs: this.#slackMs }), lines: [] };
    this.#watched.set(wire, opened);
    return opened;
  }
}

/** A check for each rule of this side that holds on every connection. They come last: they judge what was said before. */
export function alwaysChecks(side: Side): readonly Check<Readonly<{ watch: Watch }>>[] {
  return (Object.keys(RULES) as RuleId[])
    .filter((rule) => sideOf(rule) === side)
    .map((rule) => ({
      id: `always/${rule.slice(side.length + 1)}`,
      group: "always",
      rule: RULES[rule],
      run: ({ watch }) => {
        watch.demand(rule);
        return Promise.resolve();
      },
    }));
}
