import fs from "node:fs";
import path from "node:path";

/** A writer that is not done after this long is read in between, and then again. */
const QUIET_MS = 200;
const LONGEST_MS = 2_000;

/**
 * Calls back when the file's text is another one. The folder is watched, not the file: editors and Kubernetes put a new
 * file, or a new target of a link, in the place of the old one. `onTrouble`: changes are not noticed any more.
 */
export class FileWatch {
  readonly #file: string;
  readonly #onChange: () => void;
  #watcher: fs.FSWatcher | null = null;
  #text: string | null;
  #timer: NodeJS.Timeout | null = null;
  #firstAt = 0;

  constructor(file: string, onChange: () => void, onTrouble: (problem: string) => void) {
    this.#file = file;
    this.#onChange = onChange;
    this.#text = read(file);
    try {
      this.#watcher = fs.watch(path.dirname(path.resolve(file)), () => this.#stir());
      this.#watcher.on("error", (error) => onTrouble(sayCode(error)));
    } catch (error) {
      onTrouble(sayCode(error)); // too many watches, most likely
    }
  }

  close(): void {
    this.#watcher?.close();
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** Something happened in the folder: look once it is quiet there. */
  #stir(): void {
    const now = performance.now();
    if (this.#timer === null) this.#firstAt = now;
    else clearTimeout(this.#timer);
    const waitMs = Math.max(0, Math.min(QUIET_MS, this.#firstAt + LONGEST_MS - now));
    this.#timer = setTimeout(() => this.#look(), waitMs);
  }

  #look(): void {
    this.#timer = null;
    const text = read(this.#file);
    if (text === this.#text) return;
    this.#text = text;
    this.#onChange();
  }
}

/** null: it can't be read, which is news as well. */
function read(file: string): string | null {
  try {
    return fs.readFileSync(file, "utf8");
  } catch {
    return null;
  }
}

function sayCode(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}
