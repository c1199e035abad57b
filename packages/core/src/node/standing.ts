// What `status` and /metrics say of the node: who holds what, who waits, in which order, and why.
import { type Size } from "@selfscale/protocol";
import { type MonoMs } from "../time.ts";
import { both, minus } from "./amounts.ts";
import { roomOf } from "./capacity.ts";
import { accountsOf, type ArbiterState } from "./state.ts";
import { verdictNow } from "./verdict.ts";
import { RESOURCES, type Account, type Resource, type Verdict } from "./types.ts";

export type NodeUse = Readonly<{
  held: Size;
  /** Held, promised or kept for minimums, without the VMs' overhead. */
  promised: Size;
  isOvercommitted: boolean;
  /** What may be handed out to VMs in all, their overhead taken off. */
  room: Size;
  /** What is left of it for comfort. 0: nothing. */
  free: Size;
  reserve: Size;
  emergency: Size;
  brake: string | null;
}>;

export type Standing = Readonly<{
  vm: string;
  weight: number;
  priority: number;
  held: Size;
  share: Size;
  recall: Size | null;
  waitingSince: MonoMs | null;
  /** Its place among those that wait, from 1; null: it does not wait. */
  position: number | null;
  verdict: Verdict | null;
  /** Not in the list of VMs any more, and counted until it has left. */
  isRemoved: boolean;
}>;

/** From running sums: cheap. */
export function nodeUse({ capacity, accounts, sums }: ArbiterState): NodeUse {
  const { all, comfort } = roomOf(capacity, accounts.length);
  const left = minus(comfort, sums.counted);
  return {
    held: sums.held,
    promised: sums.known,
    isOvercommitted: RESOURCES.some((of) => sums.known[of] > all[of]),
    room: all,
    free: both((of) => Math.max(0, left[of])),
    reserve: capacity.reserve,
    emergency: capacity.emergency,
    brake: capacity.brake,
  };
}

/** Every VM, in the order of the configuration. */
export function standings(state: ArbiterState): readonly Standing[] {
  const accounts = accountsOf(state);
  const waiting = accounts.filter(({ waitingSince }) => waitingSince !== null).sort(byTurn);
  const positions = new Map(waiting.map(({ name }, index) => [name, index + 1]));
  return accounts.map((account) => ({
    vm: account.name,
    weight: account.weight,
    priority: account.priority,
    held: account.held,
    share: account.share,
    recall: account.recall,
    waitingSince: account.waitingSince,
    position: positions.get(account.name) ?? null,
    verdict: verdictNow(account, accounts, state.places, state.capacity.brake),
    isRemoved: account.isRemoved,
  }));
}

/** The order in which room that appears is given: what can't wait, priority, least for its weight, longest wait. */
function byTurn(a: Account, b: Account): number {
  const isUrgent = (one: Account) => RESOURCES.some((of) => one.permit[of] < one.urgent[of]);
  const urgency = Number(isUrgent(b)) - Number(isUrgent(a));
  if (urgency !== 0) return urgency;
  if (a.priority !== b.priority) return b.priority - a.priority;
  const [wants, others] = [waitsFor(a), waitsFor(b)];
  if (wants !== others) return wants === "memBytes" ? -1 : 1;
  const level = a.permit[wants] / a.weight - b.permit[wants] / b.weight;
  if (level !== 0) return level;
  const since = (a.waitingSince ?? 0) - (b.waitingSince ?? 0);
  if (since !== 0) return since;
  return a.name < b.name ? -1 : 1;
}

/** Memory first: it is what hurts. */
function waitsFor({ permit, want }: Account): Resource {
  return permit.memBytes < want.memBytes ? "memBytes" : "milliCpu";
}
