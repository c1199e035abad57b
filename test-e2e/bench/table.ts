// What the bench prints: one line per figure, its goal beside it.

export type Figure = Readonly<{
  what: string;
  value: string;
  /** As people say it; "" when there is none. */
  goal?: string;
  /** null: there is no goal. */
  isMet?: boolean | null;
}>;

export type Section = Readonly<{
  title: string;
  figures: readonly Figure[];
  /** What can't be read off the figures: how it was measured, and what it does not say. */
  notes: readonly string[];
}>;

const WHAT_WIDTH = 46;
const VALUE_WIDTH = 34;

export function sectionLines({ title, figures, notes }: Section): string[] {
  return [
    "",
    title,
    ...figures.map(({ what, value, goal = "", isMet = null }) => {
      const verdict = isMet === null ? "" : isMet ? "  met" : "  NOT MET";
      const beside = goal === "" ? "" : `goal ${goal}${verdict}`;
      return `  ${what.padEnd(WHAT_WIDTH)} ${value.padEnd(VALUE_WIDTH)} ${beside}`.trimEnd();
    }),
    ...notes.map((note) => `  (${note})`),
  ];
}

/** A figure that must not exceed its goal. */
export function atMost(what: string, value: number, limit: number, unit: string): Figure {
  return {
    what,
    value: `${round(value)} ${unit}`,
    goal: `≤ ${limit} ${unit}`,
    isMet: value <= limit,
  };
}

/** Nearest rank: a value that was seen, not one in between. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN;
}

export function round(value: number): number {
  return Number(value.toPrecision(value >= 100 ? Math.ceil(Math.log10(value)) : 3));
}
