// Invariants 2 and 10 from outside: what the node's VMs hold and were promised, added up by own books and by what QEMU
// shows; and whether it is divided by the rules of docs/sharing.md, by an arithmetic of its own.
import {
  type ArbiterEvent,
  type Capacity,
  type Claim,
  type Member,
  type PermitChange,
} from "@selfscale/core";
import { type Size } from "@selfscale/protocol";
import { mib } from "../units.ts";
import { Broken } from "./broken.ts";
import { fairShares, type Sharer } from "./fair-shares.ts";
import { each, Promises } from "./promises.ts";

const RESOURCES = ["milliCpu", "memBytes"] as const;
type Resource = (typeof RESOURCES)[number];

type Book = {
  vm: Member;
  readonly promises: Promises;
  /** null: it does not run, or nobody has looked. */
  claim: Claim | null;
  /** Nobody has looked since the agent began. */
  isUnknown: boolean;
  /** The least it can be brought to: its own word while it runs, else the operator's, or what the last QEMU needed. */
  min: Size;
  /** What is kept of the node for that: a minimum that was raised waits for room. */
  kept: Size;
  permit: Size;
  recall: Size | null;
  /** Growth that was told and not answered yet. */
  told: { milliCpu: number; memBytes: number };
};

export class NodeWatch {
  #capacity: Capacity;
  readonly #books: readonly Book[];
  /** Resources of which more is held than was ever asked for. */
  readonly #found = new Set<Resource>();

  constructor(capacity: Capacity, vms: readonly Member[]) {
    this.#capacity = capacity;
    this.#books = vms.map((vm) => ({
      vm,
      promises: new Promises(),
      claim: null,
      isUnknown: true,
      min: vm.min,
      kept: vm.min,
      permit: vm.min,
      recall: null,
      told: { milliCpu: 0, memBytes: 0 },
    }));
  }

  /** QEMU was read. `held` beyond what was kept for it (it booted so) is found. */
  attached(vm: number, held: Size): void {
    const book = this.#books[vm];
    if (book === undefined) return;
    for (const of of RESOURCES) if (held[of] > this.#counted(book, of)) this.#found.add(of);
  }

  settled(vm: number): void {
    const book = this.#books[vm];
    if (book !== undefined) book.told = { milliCpu: 0, memBytes: 0 };
  }

  lost(vm: number): void {
    this.#books[vm]?.promises.lost();
  }

  learns(vm: number, change: Readonly<{ permit: Size; answers: number }>): void {
    this.#books[vm]?.promises.learns(change);
  }

  /** What the arbiter answered: no permit rises above what there is, and nobody's above its share. */
  divided(event: ArbiterEvent, changes: readonly PermitChange[]): void {
    this.#hear(event);
    const raised = new Set<Resource>();
    for (const change of changes) {
      const book = this.#books.find(({ vm }) => vm.name === change.vm);
      if (book === undefined) continue;
      for (const of of RESOURCES) {
        // A minimum was kept for it, on its grid since that was known: also on a node that became too small.
        const kept = Math.max(this.#counted(book, of), book.claim?.min[of] ?? 0);
        if (change.permit[of] <= Math.max(book.permit[of], kept)) continue;
        raised.add(of);
      }
      book.promises.sends(change);
      book.permit = change.permit;
      book.recall = change.recall;
    }
    for (const of of RESOURCES) {
      const sum = this.#overhead(of) + this.#sum((book) => this.#counted(book, of));
      if (raised.has(of) && sum > this.#usable(of)) {
        const what = `${say(of, sum)} promised of ${say(of, this.#usable(of))}`;
        throw new Broken(2, null, what);
      }
      this.#judgeShares(of, raised.has(of));
    }
    this.#keepMinimums();
  }

  /** A VM is about to be told to grow. `truth`: what each holds now by QEMU; null: it does not run. */
  grows(vm: number, of: Resource, to: number, truth: readonly (Size | null)[]): void {
    const own = this.#books[vm];
    if (own === undefined) return;
    const held = (one: number): number => {
      const book = this.#books[one];
      if (book === undefined) return 0;
      const kept = book.kept[of];
      const now = book.claim === null ? kept : (truth[one]?.[of] ?? kept);
      return Math.max(now, book.told[of]);
    };
    if (to <= held(vm)) return;
    if (to > own.promises.now(of)) {
      const what = `grows to ${say(of, to)}, permitted are ${say(of, own.promises.now(of))}`;
      throw new Broken(2, vm, what);
    }
    let sum = this.#overhead(of);
    for (const one of this.#books.keys()) sum += one === vm ? to : held(one);
    own.told[of] = to;
    if (sum <= this.#usable(of)) return;
    // Room for its minimum was kept for it all the time: what is too much is what others hold.
    if (to <= own.kept[of]) return;
    // More was found than was kept for it: what was promised before is taken back, and that word is on its way.
    if (this.#found.has(of) && own.promises.isToldLess(of, to)) return;
    throw new Broken(
      2,
      vm,
      `grows to ${say(of, to)}: ${say(of, sum)} of ${say(of, this.#usable(of))}`,
    );
  }

  #hear(event: ArbiterEvent): void {
    if (event.kind === "capacity-changed") {
      this.#capacity = event.capacity;
      // What was promised on the larger node is taken back, as far as it is not held.
      for (const of of RESOURCES) this.#found.add(of);
    }
    if (event.kind === "members-changed") this.#rebound(event.members);
    if (event.kind !== "claimed" && event.kind !== "left") return;
    const index = this.#books.findIndex(({ vm }) => vm.name === event.vm);
    const book = this.#books[index];
    if (book === undefined) return;
    book.isUnknown = false;
    if (event.kind === "left") {
      // What boots in its place is found when it is read: it needs as much memory, and vCPUs that were plugged are gone.
      if (book.claim !== null) {
        const memBytes = Math.max(book.claim.min.memBytes, book.vm.min.memBytes);
        const { milliCpu: step } = book.claim.step;
        needs(book, { memBytes, milliCpu: Math.ceil(book.vm.min.milliCpu / step) * step });
      }
      book.claim = null;
      book.promises.lost();
      book.permit = book.min;
      book.recall = null;
      return;
    }
    book.claim = event.claim;
    needs(book, event.claim.min);
    if (book.promises.claims(event.claim)) {
      throw new Broken(2, index, "a VM says that it gave up a permit which it has");
    }
  }

  /** Own books of one VM: what it holds, may grow to, or may hold where nobody has looked. */
  #counted({ vm, claim, kept, promises, isUnknown }: Book, of: Resource): number {
    if (isUnknown) return Math.max(kept[of], vm.max[of]);
    return Math.max(kept[of], claim?.held[of] ?? 0, promises.most(of));
  }

  /** The operator's word counts for who does not speak for itself. */
  #rebound(members: readonly Member[]): void {
    for (const member of members) {
      const book = this.#books.find(({ vm }) => vm.name === member.name);
      if (book === undefined) continue;
      const isOther = RESOURCES.some((of) => book.vm.min[of] !== member.min[of]);
      // What it may have grown to before anybody looked is by the bounds of then.
      const { max } = book.isUnknown ? book.vm : member;
      book.vm = { ...member, max };
      if (book.claim === null && isOther) needs(book, member.min);
    }
  }

  /** Minimums that were raised are kept out of what counts for the same VM anyway, or once there is room for all of them. */
  #keepMinimums(): void {
    for (const of of RESOURCES) {
      const counted = this.#sum((book) => Math.max(this.#counted(book, of), book.min[of]));
      const hasRoom = this.#overhead(of) + counted <= this.#usable(of);
      for (const book of this.#books) {
        const most = hasRoom ? Infinity : this.#counted(book, of);
        book.kept = { ...book.kept, [of]: Math.min(book.min[of], most) };
      }
    }
  }

  /** Rules 3, 4 and 5, where everybody has been looked at. */
  #judgeShares(of: Resource, isRaised: boolean): void {
    if (this.#books.some(({ isUnknown }) => isUnknown)) return;
    const sharers = this.#books.map((book) => this.#sharer(book, of));
    const room = this.#usable(of) - this.#overhead(of);
    const shares = fairShares(sharers, room, this.#capacity.emergency[of]);
    // What a VM with large steps can't use goes to one with small ones.
    const slack = Math.max(...sharers.map(({ step }) => step));
    const isOver =
      this.#sum((book) => this.#counted(book, of)) > room - this.#capacity.emergency[of];
    const waits = sharers.map(
      (_, one) => (this.#books[one]?.permit[of] ?? 0) < (shares[one] ?? 0) - slack,
    );
    for (const [one, sharer] of sharers.entries()) {
      const book = this.#books[one];
      const share = shares[one] ?? 0;
      if (book === undefined || book.claim === null) continue;
      const { held, want, loanMilli } = book.claim;
      const loan = of === "milliCpu" ? loanMilli : 0;
      const most = Math.max(share + slack, held[of], loan, sharer.counted);
      if (isRaised && book.permit[of] > most) {
        const what = `permitted ${say(of, book.permit[of])}, its share is ${say(of, share)}`;
        throw new Broken(10, one, what);
      }
      const asked = book.recall === null ? want[of] : book.recall[of];
      const least = Math.max(sharer.min, Math.min(sharer.urgent, held[of]));
      if (asked < want[of] && (asked < least || asked < share - slack)) {
        const what = `asked back down to ${say(of, asked)}, its share is ${say(of, share)}`;
        throw new Broken(10, one, what);
      }
      const isOwing = Math.min(held[of], want[of]) > share + slack;
      const isDue = isOver || waits.some((isWaiting, other) => isWaiting && other !== one);
      if (isOwing && isDue && asked >= want[of] && this.#capacity.brake === null) {
        const what = `holds ${say(of, held[of])}, its share is ${say(of, share)}, and is not asked`;
        throw new Broken(10, one, what);
      }
    }
  }

  #sharer(book: Book, of: Resource): Sharer {
    const { vm, claim } = book;
    const min = book.min[of];
    return {
      weight: vm.weight,
      priority: vm.priority,
      min,
      urgent: claim?.urgent[of] ?? 0,
      want: claim?.want[of] ?? min,
      counted: this.#counted(book, of),
      step: Math.max(1, claim?.step[of] ?? 1),
    };
  }

  #sum(amount: (book: Book) => number): number {
    return this.#books.reduce((sum, book) => sum + amount(book), 0);
  }

  #overhead(of: Resource): number {
    return of === "memBytes" ? this.#capacity.overheadPerVmBytes * this.#books.length : 0;
  }

  #usable(of: Resource): number {
    const { size, reserve, overcommit } = this.#capacity;
    const factor = of === "memBytes" ? overcommit.mem : overcommit.cpu;
    return Math.floor(size[of] * factor) - reserve[of];
  }
}

/** It needs this from now on; less is kept for it at once, more when there is room. */
function needs(book: Book, min: Size): void {
  book.min = min;
  book.kept = each(Math.min, book.kept, min);
}

function say(of: Resource, amount: number): string {
  return of === "memBytes" ? `${mib(amount)} MiB` : `${amount / 1000} vCPU`;
}
