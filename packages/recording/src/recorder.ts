// Writes down what is said. It must never cost the app more than a little: it never throws after its start, never waits
// for the disk, and drops events rather than keep too many.
import { performance } from "node:perf_hooks";
import { withoutCredentials } from "./address.ts";
import { RecordingFile, RecordingRefusedError } from "./file.ts";
import { eventLine, type App, type LinkEvent } from "./format.ts";
import { type OwnEvent } from "./measured.ts";
import { newTape, type Tape } from "./tape.ts";

/** A file's size before it is rotated; with the older part twice this is on disk. */
const MAX_FILE_BYTES = 8 * 1024 * 1024;
/** Text that waits for the disk, in characters. */
const MAX_WAITING_CHARS = 1024 * 1024;
/** Written at once, about. */
const CHUNK_CHARS = 64 * 1024;
/** After the disk refused, it is left alone for this long. */
const RETRY_AFTER_MS = 10_000;
/** Only after this long without a refusal is it over: on a full disk short lines fit now and then. */
const CALM_AFTER_MS = 60_000;
/** A disk that hangs must not keep the app from stopping. */
const STOP_WITHIN_MS = 2_000;

export type RecorderOptions = Readonly<{
  file: string;
  app: App;
  release: string;
  log: Readonly<{
    info: (fields: object, message: string) => void;
    warn: (fields: object, message: string) => void;
  }>;
  /** Monotonic milliseconds. */
  now?: () => number;
  maxFileBytes?: number;
  maxWaitingChars?: number;
}>;

/** Whom a connection is with. `address`: a URL, of which no credentials are kept, or host and port. */
export type Peer = Readonly<{ vm: string | null; address: string }>;

type Waiting = Readonly<{ line: string; events: number }>;

export class Recorder {
  readonly #options: Required<Pick<RecorderOptions, "file" | "log" | "now" | "maxWaitingChars">>;
  readonly #file: RecordingFile;
  readonly #startedAt: number;
  readonly #links = new Map<string | null, number>();
  #waiting: Waiting[] = [];
  #waitingChars = 0;
  #lost = 0;
  #problem: string | null = null;
  #failedAt = -Infinity;
  #writing: Promise<void> | null = null;
  #isStopped = false;

  private constructor(options: RecorderOptions) {
    const { file, log, now = () => performance.now(), app, release } = options;
    const { maxFileBytes = MAX_FILE_BYTES, maxWaitingChars = MAX_WAITING_CHARS } = options;
    this.#options = { file, log, now, maxWaitingChars };
    this.#startedAt = now();
    const header = { app, release, startedAt: new Date().toISOString(), pid: process.pid };
    this.#file = new RecordingFile(file, header, maxFileBytes);
  }

  /**
   * Rejects with RecordingRefusedError when the file is another's. When the disk refuses, that is said in the log, and
   * tried again later.
   */
  static async start(options: RecorderOptions): Promise<Recorder> {
    const recorder = new Recorder(options);
    try {
      await recorder.#file.open();
      options.log.info({ file: options.file }, "every frame is recorded");
    } catch (error) {
      if (!(error instanceof RecordingRefusedError)) recorder.#failed(error);
      else {
        await recorder.#file.close();
        throw error;
      }
    }
    return recorder;
  }

  /** A new connection, numbered from 1 per VM. */
  connection({ vm, address }: Peer): Tape {
    const link = (this.#links.get(vm) ?? 0) + 1;
    this.#links.set(vm, link);
    const peer = address.includes("://") ? withoutCredentials(address) : address;
    return newTape({ vm, link }, peer, (event) => this.#note(event));
  }

  /** What the app itself has to tell, on no connection in particular. */
  tell(event: OwnEvent): void {
    this.#note(event);
  }

  /** Writes what waits, and lets go of the file. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#tellLost();
    await Promise.race([this.#finish(), pauseUnref(STOP_WITHIN_MS)]);
  }

  async #finish(): Promise<void> {
    this.#write();
    await this.#writing;
    // The file may be gone by now; there is nothing left to lose.
    await this.#file.close().catch(() => undefined);
  }

  #note(event: LinkEvent | OwnEvent): void {
    if (this.#isStopped) return;
    const isFull = this.#waitingChars > this.#options.maxWaitingChars;
    if (isFull || this.#options.now() < this.#failedAt + RETRY_AFTER_MS) {
      this.#lost += 1;
      return;
    }
    this.#tellLost();
    this.#push(eventLine({ atMs: this.#atMs(), ...event }), 1);
    this.#write();
  }

  #tellLost(): void {
    if (this.#lost === 0) return;
    this.#push(eventLine({ atMs: this.#atMs(), kind: "lost", count: this.#lost }), this.#lost);
    this.#lost = 0;
  }

  #atMs(): number {
    return this.#options.now() - this.#startedAt;
  }

  #push(line: string, events: number): void {
    this.#waiting.push({ line, events });
    this.#waitingChars += line.length;
  }

  #write(): void {
    this.#writing ??= this.#drain().finally(() => (this.#writing = null));
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      const { lines, events } = this.#take();
      try {
        await this.#file.append(lines);
        this.#succeeded();
      } catch (error) {
        this.#lost += events;
        for (const one of this.#waiting.splice(0)) this.#lost += one.events;
        this.#waitingChars = 0;
        this.#failed(error);
      }
    }
  }

  #take(): Readonly<{ lines: string; events: number }> {
    let [lines, events, count] = ["", 0, 0];
    for (const one of this.#waiting) {
      if (count > 0 && lines.length + one.line.length > CHUNK_CHARS) break;
      lines += one.line;
      events += one.events;
      count += 1;
    }
    this.#waiting.splice(0, count);
    this.#waitingChars -= lines.length;
    return { lines, events };
  }

  #succeeded(): void {
    const { log, file, now } = this.#options;
    if (this.#problem === null || now() < this.#failedAt + CALM_AFTER_MS) return;
    this.#problem = null;
    log.info({ file }, "frames are recorded again");
  }

  /** Said once, however long it lasts. */
  #failed(error: unknown): void {
    const { log, file, now } = this.#options;
    const { code = "", message } = error as NodeJS.ErrnoException;
    const problem = error instanceof RecordingRefusedError ? message : code || message;
    if (this.#problem !== problem) log.warn({ file, problem }, "frames can't be recorded");
    this.#problem = problem;
    this.#failedAt = now();
  }
}

function pauseUnref(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
