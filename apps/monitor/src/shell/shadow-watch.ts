// A second policy beside the live one: told of every event after it, and asked only by the status command. Whatever goes
// wrong in it ends it alone.
import {
  type MonitorEvent,
  type MonitorState,
  type Shadow,
  type ShadowLevels,
  shadowStatus,
  type ShadowStatus,
  stepShadow,
} from "@selfscale/core";
import { type Log } from "../log.ts";

/** `preset`: where its numbers come from, by name. */
export type NamedShadow = Readonly<{ preset: string }> & ShadowStatus;

export type ShadowWatchOptions = Readonly<{
  preset: string;
  initial: Shadow;
  /** The levels, whenever one of them changed and they differ, or did until then. */
  onDifference: (levels: ShadowLevels) => void;
  log: Log;
}>;

export class ShadowWatch {
  readonly #options: ShadowWatchOptions;
  /** null: it made a mistake, and is over. */
  #shadow: Shadow | null;

  constructor(options: ShadowWatchOptions) {
    this.#options = options;
    this.#shadow = options.initial;
  }

  /** `live`: as the live policy's step with this event left it. */
  observe(live: MonitorState, event: MonitorEvent, now: number): void {
    if (this.#shadow === null) return;
    const { preset, onDifference, log } = this.#options;
    try {
      const [next, levels] = stepShadow(this.#shadow, live, event, now);
      this.#shadow = next;
      if (levels !== null) onDifference(levels);
    } catch (error) {
      this.#shadow = null;
      log.warn({ err: error, preset }, "the shadow policy made a mistake and is ended");
    }
  }

  status(now: number): NamedShadow | null {
    if (this.#shadow === null) return null;
    return { preset: this.#options.preset, ...shadowStatus(this.#shadow, now) };
  }
}
