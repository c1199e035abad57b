// Weighted max-min: water is poured into vessels as wide as their weights until it is used up or all of them are full.
// Then brought onto each one's grid, and what that leaves over is given away in whole steps.
import { type MonoMs } from "../time.ts";

/** One who takes part in a filling. Amounts of one resource. */
export type Party = Readonly<{
  name: string;
  weight: number;
  /** What it has already. */
  from: number;
  /** The most it takes. */
  upTo: number;
  /** Its grid: whole steps from here; `from` and `upTo` need not lie on it. */
  origin: number;
  step: number;
  /** What is its own by now: of two that are alike, a step goes to whom it need not be moved. */
  covered: number;
  waitingSince: MonoMs | null;
}>;

/** Halvings of the water level: beyond the precision of a double. */
const ROUNDS = 64;

/** What each one has afterwards, in the order given. `room`: what is poured beyond what they have. */
export function fill(parties: readonly Party[], room: number): number[] {
  const wanted = parties.reduce((sum, { from, upTo }) => sum + upTo - from, 0);
  if (wanted <= room) return parties.map(({ upTo }) => upTo);
  if (room <= 0) return parties.map(({ from }) => from);
  const level = levelOf(parties, room);
  const amounts = parties.map((party) => stepDown(party, atLevel(party, level)));
  const left = giveSteps(parties, amounts, level, room);
  // Whoever's next step is too large now is out of it for good; the others share what is left in the same way.
  const open = [...parties.keys()].filter((index) => {
    const turn = turnOf(parties[index], index, amounts[index] ?? 0, level);
    return turn !== null && turn.to - turn.at <= left;
  });
  if (open.length === 0) return amounts;
  const rest = open.flatMap((index) => {
    const party = parties[index];
    return party === undefined ? [] : [{ ...party, from: amounts[index] ?? 0 }];
  });
  for (const [nth, amount] of fill(rest, left).entries()) amounts[open[nth] ?? 0] = amount;
  return amounts;
}

/** The highest level at which the water suffices. */
function levelOf(parties: readonly Party[], room: number): number {
  let low = 0;
  let high = 0;
  let full = room;
  for (const { from, upTo, weight } of parties) {
    high = Math.max(high, upTo / weight);
    full += from;
  }
  for (let round = 0; round < ROUNDS; round += 1) {
    const level = (low + high) / 2;
    let sum = 0;
    for (const party of parties) sum += atLevel(party, level);
    if (sum <= full) low = level;
    else high = level;
  }
  return low;
}

function atLevel({ from, upTo, weight }: Party, level: number): number {
  return Math.min(upTo, Math.max(from, level * weight));
}

/** The largest size that it can have and is not above `amount`. */
function stepDown({ from, upTo, origin, step }: Party, amount: number): number {
  if (amount >= upTo) return upTo;
  return Math.max(from, origin + Math.floor((amount - origin) / step) * step);
}

function nextStep({ upTo, origin, step }: Party, amount: number): number {
  return Math.min(upTo, origin + (Math.floor((amount - origin) / step) + 1) * step);
}

/**
 * What rounding down left over, a step to each: first to whom the step is already, so that nothing is moved for it; then
 * to who has least for its weight, and of those to who waits longest. Gives what is left of that.
 */
function giveSteps(
  parties: readonly Party[],
  amounts: number[],
  level: number,
  room: number,
): number {
  let left = room;
  for (const [index, party] of parties.entries()) left -= (amounts[index] ?? 0) - party.from;
  const turns = parties
    .flatMap((party, index) => turnOf(party, index, amounts[index] ?? 0, level) ?? [])
    .sort(byTurn);
  for (const { index, at, to } of turns) {
    if (to - at > left) continue;
    amounts[index] = to;
    left -= to - at;
  }
  return left;
}

type Turn = Readonly<{ party: Party; index: number; at: number; to: number; isCovered: boolean }>;

/** null: it is full. Who is above the level by its minimum has no claim to a step because it holds it. */
function turnOf(party: Party | undefined, index: number, at: number, level: number): Turn | null {
  if (party === undefined || at >= party.upTo) return null;
  const to = nextStep(party, at);
  return { party, index, at, to, isCovered: party.covered >= to && at <= level * party.weight };
}

function byTurn(a: Turn, b: Turn): number {
  if (a.isCovered !== b.isCovered) return a.isCovered ? -1 : 1;
  const level = a.at / a.party.weight - b.at / b.party.weight;
  if (level !== 0) return level;
  const since = (a.party.waitingSince ?? Infinity) - (b.party.waitingSince ?? Infinity);
  if (since !== 0 && !Number.isNaN(since)) return since;
  return a.party.name < b.party.name ? -1 : 1;
}
