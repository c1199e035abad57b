import { constants, deflateRawSync, inflateRawSync } from "node:zlib";
import { type MonoMs, type VmAction, type VmEvent, type VmState } from "@selfscale/core";
import { fromJson, toJson } from "./json.ts";

const MIB = 1024 ** 2;
/** What the journals of all VMs may take, and the most that one may, however few there are. */
const ALL_JOURNALS_BYTES = 16 * MIB;
const ONE_JOURNAL_BYTES = 4 * MIB;
/** What is packed at once, with the state that it begins from: some ten events, in a small part of a millisecond. */
const CHUNK_CHARS = 8 * 1024;
/** What a packed chunk takes beside its bytes. */
const PACKED_BYTES = 256;

/** What one of so many VMs may remember, in bytes. */
export function journalShare(vms: number): number {
  return Math.min(ONE_JOURNAL_BYTES, ALL_JOURNALS_BYTES / Math.max(1, vms));
}

/** An event and what came of it; null: the machine died of it, or has not answered yet. */
export type Entry = Readonly<{
  at: MonoMs;
  event: VmEvent;
  actions: readonly VmAction[] | null;
}>;

/** Events in their order from a state on. */
export type Stretch = Readonly<{
  /** The loop began here: the state does not follow from what came before. */
  isBeginning: boolean;
  since: MonoMs;
  /** Unpacks it: a reader needs one stretch at a time. */
  read: () => Readonly<{
    state: VmState;
    /** Each an Entry as JSON, in one line. */
    entries: readonly string[];
  }>;
}>;

type Packed = Readonly<{ since: MonoMs; isBeginning: boolean; lines: Uint8Array }>;
/** `lines`: the state, then the entries. */
type Open = Readonly<{ since: MonoMs; isBeginning: boolean; lines: string[] }>;

/**
 * The last events of one VM, with the states that they can be replayed from. What is oldest goes when it grows beyond
 * its limit. All but the newest is kept packed: a sixth of its size, and nothing for the collector to walk through.
 */
export class Journal {
  #limitBytes: number;
  #packed: Packed[] = [];
  #packedBytes = 0;
  #open: Open | null = null;
  #openChars = 0;
  #state: VmState | null = null;
  /** What the machine is at, or died of. */
  #seen: Entry | null = null;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** Never more than the limit by more than the open chunk. */
  get bytes(): number {
    return this.#packedBytes + this.#openChars;
  }

  setLimit(limitBytes: number): void {
    this.#limitBytes = limitBytes;
    this.#forget();
  }

  /** A loop begins from this state. */
  begin(state: VmState, now: MonoMs): void {
    this.#write();
    this.#pack();
    this.#state = state;
    this.#begin(state, now, true);
  }

  /** An event came; what the machine makes of it is not known yet. */
  saw(event: VmEvent, at: MonoMs): void {
    if (this.#state === null) throw new Error("no loop has begun");
    if (this.#openChars >= CHUNK_CHARS) {
      this.#pack();
      this.#begin(this.#state, at, false);
    }
    this.#seen = { at, event, actions: null };
  }

  /** What became of the event that was seen last. */
  stepped(state: VmState, actions: readonly VmAction[]): void {
    if (this.#seen === null) throw new Error("nothing was seen");
    const { at, event } = this.#seen;
    this.#seen = { at, event, actions };
    this.#state = state;
    this.#write();
  }

  /** The last events, oldest first. */
  last(count: number): readonly Entry[] {
    const found: string[] = [];
    for (const { read } of this.since(-Infinity).toReversed()) {
      if (found.length >= count) break;
      found.unshift(...read().entries.slice(-(count - found.length)));
    }
    return found.map((text) => fromJson(text) as Entry);
  }

  /** From the last state at or before `from`, or from the first there is. What is added later is not in it. */
  since(from: MonoMs): readonly Stretch[] {
    const stretches = this.#packed.map(({ lines, ...at }): Stretch => {
      return { ...at, read: () => stretchOf(inflateRawSync(lines).toString().split("\n")) };
    });
    if (this.#open !== null) {
      const { since, isBeginning, lines } = this.#open;
      const whole = this.#seen === null ? [...lines] : [...lines, toJson(this.#seen)];
      stretches.push({ since, isBeginning, read: () => stretchOf(whole) });
    }
    return stretches.slice(
      Math.max(
        0,
        stretches.findLastIndex(({ since }) => since <= from),
      ),
    );
  }

  #begin(state: VmState, since: MonoMs, isBeginning: boolean): void {
    const text = toJson(state);
    this.#open = { since, isBeginning, lines: [text] };
    this.#openChars = text.length;
  }

  #write(): void {
    if (this.#seen === null || this.#open === null) return;
    const text = toJson(this.#seen);
    this.#seen = null;
    this.#open.lines.push(text);
    this.#openChars += text.length;
    this.#forget();
  }

  #pack(): void {
    if (this.#open === null) return;
    const { since, isBeginning, lines } = this.#open;
    const packed = deflateRawSync(lines.join("\n"), { level: constants.Z_BEST_SPEED });
    // A copy: what zlib gives is the beginning of a buffer of 16 KiB.
    this.#packed.push({ since, isBeginning, lines: new Uint8Array(packed) });
    this.#packedBytes += packed.length + PACKED_BYTES;
    this.#open = null;
    this.#openChars = 0;
    this.#forget();
  }

  /** The chunk that is being written stays. */
  #forget(): void {
    while (this.bytes > this.#limitBytes && this.#packed.length > 0) {
      this.#packedBytes -= (this.#packed.shift()?.lines.length ?? 0) + PACKED_BYTES;
    }
  }
}

function stretchOf([state = "", ...entries]: readonly string[]): ReturnType<Stretch["read"]> {
  return { state: fromJson(state) as VmState, entries };
}
