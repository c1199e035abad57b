import fs from "node:fs";

/**
 * Bytes one read may hold. /proc/vmstat is about 5 KiB and /proc/stat needs 80 bytes per CPU before
 * the interrupt line, of which we want nothing: 800 CPUs fit.
 */
const BUFFER_BYTES = 64 * 1024;

/** One buffer for all sensors: reads are synchronous, and each is parsed before the next begins. */
const shared = Buffer.allocUnsafeSlow(BUFFER_BYTES);

/** What a read left in the shared buffer. Valid until the next read of any ProcFile. */
export type Bytes = Readonly<{ bytes: Buffer; length: number }>;

/** Told once per file that can't be read, with the reason. */
export type OnMissing = (path: string, problem: string) => void;

/** These last until the next boot: not built in, not ours to read, or PSI switched off. */
const LASTING = new Set(["ENOENT", "ENOTDIR", "EACCES", "EPERM", "EOPNOTSUPP", "ENOTSUP"]);

/**
 * A /proc or /sys file kept open. procfs writes its text anew at offset 0, so one pread per sample
 * is all it costs: a tenth of what async reads of the same files cost in CPU.
 */
export class ProcFile {
  readonly path: string;
  readonly #onMissing: OnMissing;
  readonly #seen: { bytes: Buffer; length: number } = { bytes: shared, length: 0 };
  #fd: number | null = null;
  #isMissing = false;
  #isReported = false;

  constructor(path: string, onMissing: OnMissing) {
    this.path = path;
    this.#onMissing = onMissing;
  }

  /** The file's text now, or null when it can't be read: said once, tried again unless lasting. */
  read(): Bytes | null {
    if (this.#isMissing) return null;
    try {
      this.#fd ??= fs.openSync(this.path, "r");
      this.#seen.length = readWhole(this.#fd);
      return this.#seen;
    } catch (error) {
      // Anything else (out of descriptors, of memory) must not blind us for good.
      const { code, message } = error as NodeJS.ErrnoException;
      this.close();
      this.#isMissing = LASTING.has(code ?? "");
      if (!this.#isReported) this.#onMissing(this.path, message);
      this.#isReported = true;
      return null;
    }
  }

  close(): void {
    if (this.#fd !== null) fs.closeSync(this.#fd);
    this.#fd = null;
  }
}

/**
 * Files made of many records (vmstat) come in pieces of a page, so read on until the end. A last
 * empty read is needed to know it is the end, unless the file is shorter than any page.
 */
function readWhole(fd: number): number {
  let length = 0;
  while (length < BUFFER_BYTES) {
    const got = fs.readSync(fd, shared, length, BUFFER_BYTES - length, length);
    length += got;
    if (got === 0 || length < SMALLEST_PIECE) break;
  }
  return length;
}

/** A piece is cut at the last whole record that fits a 4 KiB page, and no record is this long. */
const SMALLEST_PIECE = 3072;
