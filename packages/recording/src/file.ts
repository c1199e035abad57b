// The recording on disk: who may write it, how large it gets, what is kept of the one before.
import { type BigIntStats } from "node:fs";
import { type FileHandle, open, rename, rm, stat } from "node:fs/promises";
import { HEADER_START, headerLine, type Header } from "./format.ts";
import { releaseLock, takeLock } from "./lock.ts";

/** This file must not be written: it is another's, or another process writes it. */
export class RecordingRefusedError extends Error {
  override readonly name = "RecordingRefusedError";
  readonly code = "RECORDING_REFUSED";
}

/** Where what was recorded before is kept: one generation. */
export function olderPart(path: string): string {
  return `${path}.1`;
}

/**
 * Grows to `maxBytes`, then becomes the older part, and a new one begins. What it can't do rejects, and may be tried
 * again: every call finds the file as the disk has it.
 */
export class RecordingFile {
  readonly #path: string;
  readonly #header: Omit<Header, "part">;
  readonly #maxBytes: number;
  #handle: FileHandle | null = null;
  #identity = "";
  #bytes = 0;
  #part = 0;
  #isLocked = false;
  #isTorn = false;

  constructor(path: string, header: Omit<Header, "part">, maxBytes: number) {
    this.#path = path;
    this.#header = header;
    this.#maxBytes = maxBytes;
  }

  /** Begins a new file; one that is there becomes the older part. */
  async open(): Promise<void> {
    await this.#lock();
    for (const path of [this.#path, olderPart(this.#path)]) await refuseForeign(path);
    await this.#begin();
  }

  /** Whole lines. Either all of them are in the file, or none counts. */
  async append(lines: string): Promise<void> {
    const bytes = Buffer.from(lines);
    // Removed or moved away behind our back: what is written there is seen by nobody.
    if (this.#handle === null || (await identityAt(this.#path)) !== this.#identity) {
      await this.#let();
      await this.open();
    } else if (this.#bytes + bytes.length > this.#maxBytes) {
      await this.#let();
      await this.#begin();
    }
    if (this.#isTorn) await this.#handle?.truncate(this.#bytes);
    this.#isTorn = true;
    await this.#handle?.appendFile(bytes);
    this.#isTorn = false;
    this.#bytes += bytes.length;
  }

  async close(): Promise<void> {
    await this.#let();
    if (this.#isLocked) await releaseLock(lockOf(this.#path));
    this.#isLocked = false;
  }

  async #lock(): Promise<void> {
    const holder = await takeLock(lockOf(this.#path));
    const isOurs = holder === null || (holder === process.pid && this.#isLocked);
    this.#isLocked = isOurs;
    if (!isOurs) {
      throw new RecordingRefusedError(`${this.#path}: process ${holder} records there already`);
    }
  }

  async #begin(): Promise<void> {
    const isThere = (await identityAt(this.#path)) !== null;
    if (isThere) await rename(this.#path, olderPart(this.#path));
    // Never a file that was there, nor the end of a link: it has our mode, and nobody else's words.
    const handle = await open(this.#path, "ax", 0o600);
    try {
      const header = Buffer.from(headerLine({ ...this.#header, part: this.#part + 1 }));
      await handle.appendFile(header);
      this.#identity = identityOf(await handle.stat({ bigint: true }));
      this.#bytes = header.length;
    } catch (error) {
      await handle.close();
      await rm(this.#path, { force: true });
      throw error;
    }
    this.#part += 1;
    this.#handle = handle;
    this.#isTorn = false;
  }

  async #let(): Promise<void> {
    const handle = this.#handle;
    this.#handle = null;
    await handle?.close();
  }
}

function lockOf(path: string): string {
  return `${path}.lock`;
}

/** Throws on what is there and was not written by a recorder. Nothing, and an empty file, are fine. */
async function refuseForeign(path: string): Promise<void> {
  const found = await statOrNull(path);
  if (found === null) return;
  if (!found.isFile()) throw new RecordingRefusedError(`${path}: is there, and is no file`);
  const handle = await open(path, "r");
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(HEADER_START.length));
    const start = buffer.toString("latin1", 0, bytesRead);
    if (HEADER_START.startsWith(start)) return; // it may have been killed at its first line
    throw new RecordingRefusedError(`${path}: is there, and is no recording`);
  } finally {
    await handle.close();
  }
}

async function identityAt(path: string): Promise<string | null> {
  const found = await statOrNull(path);
  return found === null ? null : identityOf(found);
}

function identityOf({ dev, ino }: BigIntStats): string {
  return `${dev.toString()} ${ino.toString()}`;
}

async function statOrNull(path: string): Promise<BigIntStats | null> {
  try {
    return await stat(path, { bigint: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}
