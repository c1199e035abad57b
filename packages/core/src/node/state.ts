// The arbiter's memory: every VM's account, and running sums, so that a claim that fits is answered without a look at the
// others.
import { type Size } from "@selfscale/protocol";
import { both, minus, NOTHING, plus } from "./amounts.ts";
import { opened } from "./account.ts";
import { countedOf, knownOf } from "./stakes.ts";
import { entriesOf, entryAt, tableOf, withEntry, type Table } from "./table.ts";
import { type Account, type Capacity, type Member } from "./types.ts";

export type Sums = Readonly<{
  held: Size;
  /** Held, promised or kept for a minimum. */
  known: Size;
  /** The same, and what may be held where nobody has looked. */
  counted: Size;
  /** How many wait for something, room for their minimum too, or are asked to give. */
  unsettled: number;
}>;

export type ArbiterState = Readonly<{
  capacity: Capacity;
  /** Where in the table. Changes only with the members. */
  places: ReadonlyMap<string, number>;
  accounts: Table<Account>;
  sums: Sums;
}>;

export function initialArbiter(capacity: Capacity, members: readonly Member[]): ArbiterState {
  return stateOf(capacity, members.map(opened));
}

export function stateOf(capacity: Capacity, accounts: readonly Account[]): ArbiterState {
  const places = new Map(accounts.map(({ name }, index) => [name, index]));
  if (places.size < accounts.length) throw new Error("two VMs of one name");
  return { capacity, places, accounts: tableOf(accounts), sums: sumsOf(accounts) };
}

/** The same VMs in the same places. */
export function withAccounts(state: ArbiterState, accounts: readonly Account[]): ArbiterState {
  return { ...state, accounts: tableOf(accounts), sums: sumsOf(accounts) };
}

export function withAccount(state: ArbiterState, index: number, account: Account): ArbiterState {
  const before = entryAt(state.accounts, index);
  if (before === undefined) throw new Error(`no account ${index}`);
  const sums = addTo(addTo(state.sums, before, minus, -1), account, plus, 1);
  return { ...state, accounts: withEntry(state.accounts, index, account), sums };
}

export function accountsOf(state: ArbiterState): readonly Account[] {
  return entriesOf(state.accounts);
}

function sumsOf(accounts: readonly Account[]): Sums {
  const none: Sums = { held: NOTHING, known: NOTHING, counted: NOTHING, unsettled: 0 };
  return accounts.reduce((sums, account) => addTo(sums, account, plus, 1), none);
}

function addTo(sums: Sums, account: Account, add: typeof plus, one: 1 | -1): Sums {
  return {
    held: add(sums.held, account.held),
    known: add(
      sums.known,
      both((of) => knownOf(account, of)),
    ),
    counted: add(
      sums.counted,
      both((of) => countedOf(account, of)),
    ),
    unsettled: sums.unsettled + (isUnsettled(account) ? one : 0),
  };
}

function isUnsettled({ waitingSince, recall, secured, min }: Account): boolean {
  // One that does not run says nothing, and its minimum may wait for room.
  const isInsecure = secured.milliCpu < min.milliCpu || secured.memBytes < min.memBytes;
  return waitingSince !== null || recall !== null || isInsecure;
}
