import { type MonoMs, type VmAction, type VmEvent, type VmState } from "@selfscale/core";
import { bytesOfActions, bytesOfEvent, CHUNK_BYTES_AT_LEAST } from "./estimate.ts";

const MIB = 1024 ** 2;
/** What the journals of all VMs may take, by estimate; and the most that one may, however few there are. */
const ALL_JOURNALS_BYTES = 48 * MIB;
const ONE_JOURNAL_BYTES = 4 * MIB;
/** The oldest chunk goes as a whole, so this many share what there is: an eighth is the coarsest loss. */
const CHUNKS = 8;

/** What one of so many VMs may remember, in bytes. */
export function journalShare(vms: number): number {
  return Math.min(ONE_JOURNAL_BYTES, ALL_JOURNALS_BYTES / Math.max(1, vms));
}

/** An event and what came of it; null: the machine died of it. */
export type Entry = Readonly<{
  at: MonoMs;
  event: VmEvent;
  actions: readonly VmAction[] | null;
}>;

/** Events in their order from a state on. */
export type Stretch = Readonly<{
  state: VmState;
  /** The loop began here: the state does not follow from what came before. */
  isBeginning: boolean;
  since: MonoMs;
  entries: readonly Entry[];
}>;

type Chunk = { -readonly [Key in keyof Stretch]: Stretch[Key] } & {
  entries: Entry[];
  bytes: number;
};

/**
 * The last events of one VM, with the states that they can be replayed from. What is oldest goes when it grows beyond
 * its limit. A state is kept by reference: it is never changed, and most of it is shared with the one that follows.
 */
export class Journal {
  #limitBytes: number;
  #chunks: Chunk[] = [];
  #bytes = 0;
  #state: VmState | null = null;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** By estimate. Never more than the limit by more than one event. */
  get bytes(): number {
    return this.#bytes;
  }

  setLimit(limitBytes: number): void {
    this.#limitBytes = limitBytes;
    this.#forget();
  }

  /** A loop begins from this state. */
  begin(state: VmState, now: MonoMs): void {
    this.#state = state;
    this.#open(state, now, true);
  }

  /** An event came; what the machine makes of it is not known yet. */
  saw(event: VmEvent, at: MonoMs): void {
    const current = this.#chunks.at(-1);
    if (this.#state === null || current === undefined) throw new Error("no loop has begun");
    const isFull = current.bytes >= Math.max(CHUNK_BYTES_AT_LEAST * 2, this.#limitBytes / CHUNKS);
    const chunk = isFull ? this.#open(this.#state, at, false) : current;
    chunk.entries.push({ at, event, actions: null });
    this.#count(chunk, bytesOfEvent(event));
    this.#forget();
  }

  /** What became of the event that was seen last. */
  stepped(state: VmState, actions: readonly VmAction[]): void {
    const chunk = this.#chunks.at(-1);
    const last = chunk?.entries.pop();
    if (chunk === undefined || last === undefined) throw new Error("nothing was seen");
    chunk.entries.push({ ...last, actions });
    this.#state = state;
    this.#count(chunk, bytesOfActions(actions));
    this.#forget();
  }

  /** The last events, oldest first. */
  last(count: number): readonly Entry[] {
    const found: Entry[] = [];
    for (const { entries } of this.#chunks.toReversed()) {
      found.unshift(...entries.slice(-(count - found.length)));
      if (found.length >= count) break;
    }
    return found;
  }

  /** From the last state at or before `from`, or from the first there is. What is added later is not in it. */
  since(from: MonoMs): readonly Stretch[] {
    const first = this.#chunks.findLastIndex(({ since }) => since <= from);
    return this.#chunks
      .slice(Math.max(0, first))
      .map(({ entries, ...rest }) => ({ ...rest, entries: [...entries] }));
  }

  #open(state: VmState, since: MonoMs, isBeginning: boolean): Chunk {
    const chunk = { state, since, isBeginning, entries: [], bytes: 0 };
    this.#chunks.push(chunk);
    this.#count(chunk, CHUNK_BYTES_AT_LEAST);
    return chunk;
  }

  #count(chunk: Chunk, bytes: number): void {
    chunk.bytes += bytes;
    this.#bytes += bytes;
  }

  /** The chunk that is being written stays. */
  #forget(): void {
    while (this.#bytes > this.#limitBytes && this.#chunks.length > 1) {
      this.#bytes -= this.#chunks.shift()?.bytes ?? 0;
    }
  }
}
