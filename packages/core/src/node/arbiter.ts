// Divides a node among its VMs: weighted max-min fairness by the rules of docs/sharing.md. It decides permits and whom to
// ask back, and nothing else; it never takes what a VM holds. Pure: the same state and event, the same answer.
import { type Size } from "@selfscale/protocol";
import { type MonoMs } from "../time.ts";
import { added, claimed, ended, renewed } from "./account.ts";
import { both, most, sameSize } from "./amounts.ts";
import { roomOf, type Room } from "./capacity.ts";
import { divide, type Division, type Limits } from "./division.ts";
import { classesOf, countedOf, stakeOf, type Stake } from "./stakes.ts";
import { accountsOf, stateOf, withAccount, withAccounts, type ArbiterState } from "./state.ts";
import { entryAt } from "./table.ts";
import {
  RESOURCES,
  type Account,
  type ArbiterEvent,
  type Capacity,
  type Claim,
  type Member,
  type PermitChange,
  type Resource,
} from "./types.ts";
import { judgedOf, keyOf, rulingOf, verdictOf, type Judged, type Ruling } from "./verdict.ts";

type Step = [ArbiterState, PermitChange[]];

/**
 * Answers with every permit that changed, and always with the claimant's own: it waits for that answer. A VM that is not
 * of this node (any more) is not answered.
 */
export function stepArbiter(before: ArbiterState, event: ArbiterEvent, now: MonoMs): Step {
  switch (event.kind) {
    case "claimed":
      return heard(before, event.vm, event.claim, now);
    case "left":
      return gone(before, event.vm, now);
    case "capacity-changed":
      return divided({ ...before, capacity: event.capacity }, null, now);
    case "members-changed":
      return divided(joined({ ...before, capacity: event.capacity }, event.members), null, now);
    default:
      return event satisfies never;
  }
}

function heard(before: ArbiterState, vm: string, claim: Claim, now: MonoMs): Step {
  const index = before.places.get(vm);
  const known = index === undefined ? undefined : entryAt(before.accounts, index);
  if (index === undefined || known === undefined) return [before, []];
  const account = claimed(known, claim);
  const given = givenAtOnce(before, known, account);
  if (given !== null) {
    const after = withAccount(before, index, given);
    assertWithinRoom(before, after);
    return [after, [changeOf(given)]];
  }
  const same = sameAnswer(known, account);
  if (same !== null) return [withAccount(before, index, same), [changeOf(same)]];
  return divided(withAccount(before, index, account), index, now);
}

/**
 * The wish of a VM where nobody waits and all of it fits, without a look at the others: nothing changes for them. null:
 * the node must be divided.
 */
function givenAtOnce(before: ArbiterState, known: Account, account: Account): Account | null {
  const { capacity, sums, accounts } = before;
  if (sums.unsettled > 0 || capacity.brake !== null) return null;
  const { comfort } = roomOf(capacity, accounts.length);
  const permit = both((of) =>
    Math.max(account.want[of], of === "milliCpu" ? account.loanMilli : 0),
  );
  const given: Account = {
    ...account,
    secured: account.min,
    promised: most(account.promised, permit),
    permit,
    share: most(account.want, account.min),
    recall: null,
    waitingSince: null,
    verdict: null,
    ruling: "",
  };
  for (const of of RESOURCES) {
    const grown = countedOf(given, of) - countedOf(known, of);
    if (sums.known[of] > comfort[of] || sums.counted[of] + grown > comfort[of]) return null;
  }
  return given;
}

/** Nothing changed that a division depends on, such as what is held while it grows to what it was promised. */
function sameAnswer(known: Account, account: Account): Account | null {
  const isSame =
    known.isRunning &&
    known.mayHold === null &&
    known.recall === null &&
    known.loanMilli === account.loanMilli &&
    (["want", "min", "urgent", "step"] as const).every((key) =>
      sameSize(known[key], account[key]),
    ) &&
    RESOURCES.every(
      (of) =>
        countedOf(known, of) === countedOf(account, of) && account.held[of] <= known.share[of],
    );
  return isSame ? { ...account, promised: most(account.promised, known.permit) } : null;
}

function gone(before: ArbiterState, vm: string, now: MonoMs): Step {
  const index = before.places.get(vm);
  const known = index === undefined ? undefined : entryAt(before.accounts, index);
  if (index === undefined || known === undefined) return [before, []];
  if (!known.isRemoved) return divided(withAccount(before, index, ended(known)), null, now);
  const others = accountsOf(before).filter(({ name }) => name !== vm);
  return divided(stateOf(before.capacity, others), null, now);
}

/** Who was there keeps what it holds and waits for; who is gone from the list counts until it has left. */
function joined(before: ArbiterState, members: readonly Member[]): ArbiterState {
  const known = new Map(accountsOf(before).map((account) => [account.name, account]));
  const accounts = members.map((member) => {
    const was = member.renamedFrom ?? member.name;
    const account = known.get(was);
    known.delete(was);
    return account === undefined ? added(member) : renewed(account, member);
  });
  const leaving = [...known.values()].filter(
    ({ isRunning, mayHold }) => isRunning || mayHold !== null,
  );
  const removed = leaving.map((account) => ({ ...account, isRemoved: true }));
  return stateOf(before.capacity, [...accounts, ...removed]);
}

/** Everything anew. `claimant`: always answered. */
function divided(state: ArbiterState, claimant: number | null, now: MonoMs): Step {
  const olds = accountsOf(state);
  const room = roomOf(state.capacity, olds.length);
  const classes = classesOf(olds);
  const partOf = (of: Resource): Part => {
    const stakes = olds.map((account) => stakeOf(account, of));
    const limits = limitsOf(state.capacity, room, of);
    return { of, stakes, limits, division: divide(stakes, classes, limits), judged: null };
  };
  const parts: Parts = { milliCpu: partOf("milliCpu"), memBytes: partOf("memBytes") };
  const settled = olds.map((old, index) => settle(old, index, parts, now));
  const { brake } = state.capacity;
  const accounts = settled.map((account, index): Account => {
    if (account.waitingSince === null) return account;
    const ruling = ruled(account, index, parts);
    const key = keyOf(ruling);
    if (key === olds[index]?.ruling && index !== claimant) return { ...account, ruling: key };
    return { ...account, ruling: key, verdict: verdictOf(ruling, account, settled, brake) };
  });
  const after = withAccounts(state, accounts);
  assertWithinRoom(state, after);
  const changes = accounts.filter((account, index) => {
    const old = olds[index];
    const isNews = index === claimant || (old !== undefined && isOther(old, account));
    return isNews && account.isRunning;
  });
  return [after, changes.map(changeOf)];
}

type Part = {
  readonly of: Resource;
  readonly stakes: readonly Stake[];
  readonly limits: Limits;
  readonly division: Division;
  /** Made when somebody waits. */
  judged: Judged | null;
};

type Parts = Readonly<Record<Resource, Part>>;

function limitsOf(capacity: Capacity, room: Room, of: Resource): Limits {
  return { all: room.all[of], comfort: room.comfort[of], hasBrake: capacity.brake !== null };
}

function settle(old: Account, index: number, parts: Parts, now: MonoMs): Account {
  const permit = both((resource) => permitOf(parts[resource], index));
  const share = both((resource) => parts[resource].division.shares[index] ?? 0);
  const isShort =
    old.isRunning && RESOURCES.some((resource) => permit[resource] < old.want[resource]);
  const secured = both((resource) => parts[resource].division.secured[index] ?? 0);
  return {
    ...old,
    held: old.isRunning ? old.held : secured,
    secured,
    // One that was lowered counts until the VM has confirmed it: it may be growing by it now.
    promised: old.isRunning ? most(old.promised, permit) : old.promised,
    permit,
    share,
    recall: recallOf(parts, index, old, share),
    waitingSince: isShort ? (old.waitingSince ?? now) : null,
    verdict: isShort ? old.verdict : null,
    ruling: "",
  };
}

function permitOf({ stakes, division }: Part, index: number): number {
  const stake = stakes[index];
  const share = division.shares[index] ?? 0;
  const granted = division.granted[index] ?? 0;
  if (stake === undefined) return 0;
  const { want, loan, held, promised, secured, counted } = stake;
  // A promise is kept until there is too little; then what nobody holds by it goes to who is below its share.
  const kept = division.isDue ? Math.min(promised, division.isOver ? 0 : share) : promised;
  const fresh = granted > counted ? granted : 0;
  return Math.min(Math.max(want, loan), Math.max(held, secured, kept, fresh));
}

/** Down to its share of each resource that it is asked back; it keeps the other as it is. */
function recallOf(parts: Parts, index: number, old: Account, share: Size): Size | null {
  const isRecalled = (of: Resource) => parts[of].division.isRecalled[index] === true;
  if (!old.isRunning || !RESOURCES.some(isRecalled)) return null;
  return both((of) => (isRecalled(of) ? share[of] : old.want[of]));
}

/** Memory first: it is what hurts. */
function ruled(account: Account, index: number, parts: Parts): Ruling {
  const { permit, want } = account;
  const part = permit.memBytes < want.memBytes ? parts.memBytes : parts.milliCpu;
  part.judged ??= judgedOf(part.of, part.stakes, part.limits, part.division);
  return rulingOf(part.judged, index, account.permit[part.of]);
}

function isOther(old: Account, account: Account): boolean {
  return (
    !sameSize(old.permit, account.permit) ||
    !sameSize(old.recall, account.recall) ||
    old.ruling !== account.ruling ||
    (old.waitingSince === null) !== (account.waitingSince === null)
  );
}

function changeOf(account: Account): PermitChange {
  const { name, permit, waitingSince, recall, verdict, number } = account;
  const isNodeFull = waitingSince !== null;
  return { vm: name, permit, isNodeFull, recall, verdict, answers: number };
}

/** What is found above the room is kept and reported, but no decision of ours may add to it. */
function assertWithinRoom(before: ArbiterState, after: ArbiterState): void {
  const { all } = roomOf(after.capacity, after.accounts.length);
  for (const of of RESOURCES) {
    const [sum, was] = [after.sums.counted[of], before.sums.counted[of]];
    if (sum > all[of] && sum > was) throw new Error(`${of}: ${sum} promised of ${all[of]}`);
  }
}
