// The files through which the SQL functions and the monitor reach each other. PostgreSQL's user may write into bell/ and read the rest.
import fs from "node:fs";
import path from "node:path";
import { type Message, parseMessage } from "./messages.ts";

/** A message is a few hundred bytes. */
const MAX_BYTES = 8_192;
/** Of one look; what is left over is taken at the next. */
const MAX_FILES = 512;
/** What is still not whole after that long never will be. */
const UNFINISHED_MS = 2_000;

const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;

/** Who PostgreSQL runs as. */
export type Owner = Readonly<{ uid: number; gid: number }>;

export type Found = Readonly<{ name: string; message: Message }>;

/** The monitor may not do what the door needs: `message` says what. */
export class DoorFolderError extends Error {
  override readonly name = "DoorFolderError";
  readonly code = "DOOR_FOLDER";
}

export class DoorFolder {
  readonly path: string;
  readonly #bell: string;
  readonly #gid: number;
  readonly #seen = new Set<string>();
  readonly #onNonsense: (name: string) => void;

  private constructor(folder: string, gid: number, onNonsense: (name: string) => void) {
    this.path = folder;
    this.#bell = path.join(folder, "bell");
    this.#gid = gid;
    this.#onNonsense = onNonsense;
  }

  /**
   * Makes the folders, for PostgreSQL's user and nobody else. Throws DoorFolderError when the monitor may not: it has to be root or
   * that very user.
   */
  static prepare(
    root: string,
    port: number,
    owner: Owner,
    onNonsense: (name: string) => void,
  ): DoorFolder {
    const folder = path.join(root, String(port));
    const uid = process.getuid?.() ?? 0;
    if (uid !== 0 && uid !== owner.uid) {
      const users = `the monitor runs as user ${uid} and PostgreSQL as ${owner.uid}`;
      throw new DoorFolderError(`${users}: the monitor must be root or the same`);
    }
    try {
      // Only where it is ours: PostgreSQL has to come through, whatever the umask.
      if (fs.mkdirSync(root, { recursive: true }) !== undefined) fs.chmodSync(root, 0o755);
      makeOwned(folder, { uid, gid: owner.gid, mode: 0o750 });
      makeOwned(path.join(folder, "bell"), { ...owner, mode: 0o700 });
    } catch (error) {
      throw new DoorFolderError((error as Error).message, { cause: error });
    }
    return new DoorFolder(folder, owner.gid, onNonsense);
  }

  /** Calls when something happens in the folder; null when the kernel has no watch to spare: then the slow look must do. */
  watch(rung: () => void, failed: (problem: string) => void): fs.FSWatcher | null {
    try {
      const watcher = fs.watch(this.#bell, { persistent: false }, rung);
      watcher.on("error", (error) => failed(error.message));
      return watcher;
    } catch (error) {
      failed((error as Error).message);
      return null;
    }
  }

  /** Messages that were not seen before, oldest first. Throws DoorFolderError when the folder is gone. */
  scan(): readonly Found[] {
    const found: Found[] = [];
    for (const name of this.#names()) {
      if (this.#seen.has(name) || found.length >= MAX_FILES) continue;
      const message = this.#read(name);
      if (message !== null) {
        this.#seen.add(name);
        found.push({ name, message });
      }
    }
    return found.sort((a, b) => a.message.atMs - b.message.atMs);
  }

  /** Its message is over. */
  discard(name: string): void {
    this.#seen.delete(name);
    fs.rmSync(path.join(this.#bell, name), { force: true });
  }

  readAnswer(nonce: number): unknown {
    try {
      return JSON.parse(fs.readFileSync(this.#answer(nonce), "utf8")) as unknown;
    } catch {
      return null;
    }
  }

  writeAnswer(nonce: number, answer: object): void {
    this.#write(this.#answer(nonce), answer);
  }

  removeAnswer(nonce: number): void {
    fs.rmSync(this.#answer(nonce), { force: true });
  }

  writeState(state: object): void {
    this.#write(path.join(this.path, "state.json"), state);
  }

  /** Whoever asks is told at once that nobody is there. */
  removeState(): void {
    fs.rmSync(path.join(this.path, "state.json"), { force: true });
  }

  /** Answers that were left behind. */
  answers(): readonly number[] {
    return fs.readdirSync(this.path).flatMap((name) => {
      const match = /^answer-(\d{1,10})\.json$/.exec(name);
      return match === null ? [] : [Number(match[1])];
    });
  }

  #names(): readonly string[] {
    try {
      return fs.readdirSync(this.#bell);
    } catch (error) {
      throw new DoorFolderError((error as Error).message, { cause: error });
    }
  }

  /** null: not whole yet, or nonsense, which is refused. */
  #read(name: string): Message | null {
    const content = readSafely(path.join(this.#bell, name));
    if (content.kind === "gone") return null;
    const kind = /^([a-z]+)-\d{1,10}\.json$/.exec(name)?.[1];
    if (content.kind === "text" && kind !== undefined) {
      const message = parseMessage(kind, content.text);
      if (message !== null || content.ageMs <= UNFINISHED_MS) return message;
    }
    this.#refuse(name);
    return null;
  }

  /** Said once, whether it can be removed or not. */
  #refuse(name: string): void {
    this.#seen.add(name);
    this.#onNonsense(name);
    try {
      fs.unlinkSync(path.join(this.#bell, name));
      this.#seen.delete(name);
    } catch {
      // A folder, for instance: it stays, and is not looked at again.
    }
  }

  #answer(nonce: number): string {
    return path.join(this.path, `answer-${nonce}.json`);
  }

  /** Readers see the old or the new, whole. */
  #write(file: string, value: object): void {
    const draft = `${file}.new`;
    fs.rmSync(draft, { force: true });
    fs.writeFileSync(draft, asciiJson(value), { mode: 0o640, flag: "wx" });
    fs.chmodSync(draft, 0o640); // the umask of a service is stricter, and PostgreSQL must read it
    if (process.getuid?.() === 0) fs.chownSync(draft, 0, this.#gid);
    fs.renameSync(draft, file);
  }
}

type Content = Readonly<
  { kind: "gone" | "strange" } | { kind: "text"; text: string; ageMs: number }
>;

/** Whoever may write there could leave a link, a pipe or a gigabyte: neither is followed, waited for or read. */
function readSafely(file: string): Content {
  let descriptor: number | null = null;
  try {
    descriptor = fs.openSync(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    const stat = fs.fstatSync(descriptor);
    if (!stat.isFile() || stat.size > MAX_BYTES) return { kind: "strange" };
    const buffer = Buffer.alloc(MAX_BYTES);
    const length = fs.readSync(descriptor, buffer, 0, MAX_BYTES, 0);
    return {
      kind: "text",
      text: buffer.toString("utf8", 0, length),
      ageMs: Date.now() - stat.mtimeMs,
    };
  } catch (error) {
    return { kind: (error as NodeJS.ErrnoException).code === "ENOENT" ? "gone" : "strange" };
  } finally {
    if (descriptor !== null) fs.closeSync(descriptor);
  }
}

function makeOwned(
  folder: string,
  { uid, gid, mode }: Readonly<{ uid: number; gid: number; mode: number }>,
): void {
  fs.mkdirSync(folder, { recursive: true, mode });
  if (!fs.lstatSync(folder).isDirectory()) throw new Error(`${folder} is not a folder`);
  if (process.getuid?.() === 0) fs.chownSync(folder, uid, gid);
  fs.chmodSync(folder, mode);
}

/** Databases have encodings of their own: what is beyond ASCII is escaped, and read back by PostgreSQL where it can hold it. */
function asciiJson(value: object): string {
  return JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
