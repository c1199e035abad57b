import { SCALE_REQUEST_START } from "@selfscale/protocol";

/** Recognised without being parsed: whoever sends too much pays for no more than that. */
const LEVEL_START = Buffer.from(SCALE_REQUEST_START);

/** A frame as it came; null: one that says nothing (a ping), but costs the same. */
export type RawFrame = Buffer | null;

type Place = { frame: RawFrame };

/**
 * Frames that came too fast, in the order in which they are to be told.
 *
 * Of ScaleRequests only the newest waits, in the place of the oldest. So it may overtake an answer that was
 * sent before it, but no answer overtakes a level: a consent is void on a raise sooner, never later.
 */
export class WaitingFrames {
  #places: Place[] = [];
  /** The one that holds a ScaleRequest. */
  #level: Place | null = null;

  get count(): number {
    return this.#places.length;
  }

  /** True: it took the place of an older one, which nobody will hear of. */
  add(frame: RawFrame): boolean {
    const isLevel = frame !== null && startsAsLevel(frame);
    if (isLevel && this.#level !== null) {
      this.#level.frame = frame;
      return true;
    }
    const place: Place = { frame };
    if (isLevel) this.#level = place;
    this.#places.push(place);
    return false;
  }

  /** The next to be told. Asked only while there is one. */
  take(): RawFrame {
    const place = this.#places.shift();
    if (place === this.#level) this.#level = null;
    return place?.frame ?? null;
  }

  clear(): void {
    this.#places = [];
    this.#level = null;
  }
}

function startsAsLevel(frame: Buffer): boolean {
  const { length } = LEVEL_START;
  return frame.length > length && LEVEL_START.compare(frame, 0, length) === 0;
}
