// Rule 6: which rule refused the rest of a wish, and who holds what.
import { sayCpu, sayMem } from "../agent/explain.ts";
import { type Division, type Limits } from "./division.ts";
import { type Stake } from "./stakes.ts";
import { type Account, type Resource, type Verdict, type VerdictRule } from "./types.ts";

/** So many are named; who asks for all of them looks at `status`. */
const MOST_HOLDERS = 3;

/** One resource of a node that was just divided. */
export type Judged = Readonly<{
  of: Resource;
  stakes: readonly Stake[];
  limits: Limits;
  division: Division;
  /** Σ shares. */
  shared: number;
  /** Indices of who holds more than its share, the largest surplus first. */
  above: readonly number[];
  /** Of who has more than its minimum by its share, the largest first. */
  large: readonly number[];
  /** The same, of a higher priority than the key. Filled as it is asked for: priorities are few. */
  larger: Map<number, readonly number[]>;
  /** Of who nobody has looked at. */
  unknown: readonly number[];
}>;

export type Ruling = Readonly<{ of: Resource; rule: VerdictRule; holders: readonly number[] }>;

export function judgedOf(
  of: Resource,
  stakes: readonly Stake[],
  limits: Limits,
  division: Division,
): Judged {
  const share = (index: number): number => division.shares[index] ?? 0;
  const known = (index: number): number => {
    const stake = stakes[index];
    return stake === undefined ? 0 : Math.max(stake.held, stake.promised);
  };
  const pick = (
    isIn: (stake: Stake, index: number) => boolean,
    amount: (index: number) => number,
  ): number[] =>
    [...stakes.keys()]
      .filter((index) => {
        const stake = stakes[index];
        return stake !== undefined && isIn(stake, index);
      })
      .sort((a, b) => amount(b) - amount(a))
      .slice(0, MOST_HOLDERS + 1); // one of them may be the one that waits
  return {
    of,
    stakes,
    limits,
    division,
    shared: division.shares.reduce((sum, one) => sum + one, 0),
    above: pick(
      (_, index) => known(index) > share(index),
      (index) => known(index) - share(index),
    ),
    large: pick(({ min }, index) => share(index) > min, share),
    larger: new Map(),
    unknown: pick(
      ({ isUnknown }) => isUnknown,
      (index) => stakes[index]?.counted ?? 0,
    ),
  };
}

/** Why this VM's permit ends where it does. */
export function rulingOf(judged: Judged, index: number, permit: number): Ruling {
  const { of, limits, division, above, large, unknown, stakes } = judged;
  const others = (list: readonly number[]) =>
    list.filter((other) => other !== index).slice(0, MOST_HOLDERS);
  const stake = stakes[index];
  const share = division.shares[index] ?? 0;
  if (stake === undefined) throw new Error("a verdict about nobody");
  const { min, urgent, priority, step } = stake;
  if (division.isOver) return { of, rule: "overcommitted", holders: others(above) };
  if (limits.hasBrake && permit >= Math.max(min, urgent)) return { of, rule: "brake", holders: [] };
  if (permit < share) {
    const holders = others(above);
    if (holders.length > 0) return { of, rule: "held-by-others", holders };
    return { of, rule: "not-looked-at", holders: others(unknown) };
  }
  const higher = others(largerThan(judged, priority));
  if (higher.length > 0) return { of, rule: "priority", holders: higher };
  const holders = others(large);
  if (limits.all - judged.shared >= step) return { of, rule: "emergency-headroom", holders };
  return { of, rule: holders.length > 0 ? "fair-share" : "node-size", holders };
}

function largerThan({ stakes, division, larger }: Judged, than: number): readonly number[] {
  const known = larger.get(than);
  if (known !== undefined) return known;
  const share = (index: number): number => division.shares[index] ?? 0;
  const found = [...stakes.keys()]
    .filter((index) => {
      const stake = stakes[index];
      return stake !== undefined && stake.priority > than && share(index) > stake.min;
    })
    .sort((a, b) => share(b) - share(a))
    .slice(0, MOST_HOLDERS);
  larger.set(than, found);
  return found;
}

/** Tells whether two rulings say the same to whoever hears them. */
export function keyOf({ of, rule, holders }: Ruling): string {
  return [of, rule, ...holders].join();
}

/** The verdict that stands for this VM, with what is held by now. */
export function verdictNow(
  account: Account,
  accounts: readonly Account[],
  places: ReadonlyMap<string, number>,
  brake: string | null,
): Verdict | null {
  const { verdict } = account;
  if (verdict === null) return null;
  const holders = verdict.holders.flatMap(({ vm }) => places.get(vm) ?? []);
  const of = verdict.resource === "memory" ? "memBytes" : "milliCpu";
  return verdictOf({ of, rule: verdict.rule, holders }, account, accounts, brake);
}

export function verdictOf(
  { of, rule, holders }: Ruling,
  account: Account,
  accounts: readonly Account[],
  brake: string | null,
): Verdict {
  const say = of === "memBytes" ? sayMem : sayCpu;
  const named = holders.flatMap((index) => accounts[index] ?? []);
  const held = named.map(
    (one) => `${one.name} holds ${say(one.held[of])} (share ${say(one.share[of])})`,
  );
  const kept = named.map((one) => `${one.name} (${say(one.mayHold?.[of] ?? 0)})`);
  const why: Readonly<Record<VerdictRule, string>> = {
    overcommitted: "more is held than may be handed out, and nothing grows until it fits",
    brake: `nothing grows for comfort: ${brake ?? "the node is in trouble"}`,
    "not-looked-at": `room is kept for VMs whose QEMU could not be read yet: ${kept.join(", ")}`,
    "held-by-others": `its fair share is ${say(account.share[of])}, and others hold more than theirs`,
    "emergency-headroom": "what is left is kept for memory pressure and reservations",
    priority: "VMs of a higher priority want the rest",
    "fair-share": `that is its fair share by weight ${account.weight}`,
    "node-size": "the node has no more, and no other VM more than its minimum",
  };
  const who = rule === "not-looked-at" || held.length === 0 ? "" : `: ${held.join(", ")}`;
  const { name, want, permit } = account;
  const text = `${name} wants ${say(want[of])} and may have ${say(permit[of])}; ${why[rule]}${who}.`;
  return {
    rule,
    resource: of === "memBytes" ? "memory" : "cpu",
    holders: named.map((one) => ({ vm: one.name, held: one.held, share: one.share })),
    text,
  };
}
