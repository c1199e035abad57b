import { type AgentConfig } from "../config/load.ts";
import { ConfigError } from "../config/problem.ts";
import { type Log } from "../log.ts";
import { type ReloadPlan } from "./plan.ts";

/** What `status` says of the configuration. */
export type ReloadStatus = Readonly<{
  file: string;
  /** When what counts now was read. ISO 8601. */
  loadedAt: string;
  /** Why the file as it is now does not count; null: it does. */
  problem: string | null;
  /** Keys that the file has changed and that count only after a restart. */
  needRestart: readonly string[];
  reloads: number;
  reloadsFailed: number;
}>;

export type ReloaderOptions = Readonly<{
  file: string;
  log: Log;
  load: (file: string) => AgentConfig;
  /** Goes over to it. Gives what that changed. */
  apply: (config: AgentConfig) => ReloadPlan;
  /** Told of each try. */
  onEnd?: (isGood: boolean) => void;
}>;

/** Reads the file anew when told to. A file that is wrong changes nothing, and is said. */
export class Reloader {
  readonly #options: ReloaderOptions;
  #status: ReloadStatus;

  constructor(options: ReloaderOptions) {
    this.#options = options;
    const { file } = options;
    const counts = { reloads: 0, reloadsFailed: 0 };
    this.#status = { file, loadedAt: now(), problem: null, needRestart: [], ...counts };
  }

  get status(): ReloadStatus {
    return this.#status;
  }

  /** `why`: what made us read it. */
  reload(why: string): void {
    const { file, log, load, apply, onEnd } = this.#options;
    try {
      const { changes, needRestart } = apply(load(file));
      const reloads = this.#status.reloads + 1;
      this.#status = { ...this.#status, loadedAt: now(), problem: null, needRestart, reloads };
      onEnd?.(true);
      log.info({ why, changes }, changes.length === 0 ? "read anew; nothing changed" : "read anew");
      if (needRestart.length > 0) {
        log.warn({ keys: needRestart }, "these count only once the agent is started anew");
      }
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      onEnd?.(false);
      const reloadsFailed = this.#status.reloadsFailed + 1;
      this.#status = { ...this.#status, problem: error.message, reloadsFailed };
      log.error(
        { why, problem: error.message },
        "the file is wrong: the configuration before it stays",
      );
    }
  }
}

function now(): string {
  return new Date().toISOString();
}
