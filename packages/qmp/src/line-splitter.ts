// Bytes in, lines out. Time is linear in the bytes however they are cut, memory is at most twice
// the longest line allowed, and a character cut in two by a chunk's edge is whole again in its
// line.
import { isUtf8 } from "node:buffer";

const NEWLINE = 0x0a; // never part of a longer UTF-8 character
/** Holds any reply that the agent asks for while a VM has a few devices; there is one buffer per connection. */
const FIRST_CAPACITY = 4 * 1024;

/** `problem` is met after `lines`; once there is one, the rest of the stream means nothing. */
export type Split = Readonly<{ lines: readonly string[]; problem: SplitProblem | null }>;
export type SplitProblem = "line-too-long" | "not-utf8";

export class LineSplitter {
  readonly #maxLineBytes: number;
  #partial: Buffer = Buffer.alloc(0); // its first #length bytes are a line without its end
  #length = 0;

  constructor(maxLineBytes: number) {
    this.#maxLineBytes = maxLineBytes;
  }

  /** Whether the stream stands in the middle of a line. */
  get isMidLine(): boolean {
    return this.#length > 0;
  }

  push(chunk: Buffer): Split {
    const lines: string[] = [];
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(NEWLINE, start);
      const piece = chunk.subarray(start, end < 0 ? chunk.length : end);
      if (this.#length + piece.length > this.#maxLineBytes) {
        return { lines, problem: "line-too-long" };
      }
      if (end < 0) {
        this.#append(piece);
        return { lines, problem: null };
      }
      const line = this.#takeWith(piece);
      if (!isUtf8(line)) return { lines, problem: "not-utf8" };
      lines.push(line.toString("utf8"));
      start = end + 1;
    }
  }

  /** The line that `piece` completes. Valid until the next call. */
  #takeWith(piece: Buffer): Buffer {
    if (this.#length === 0) return piece;
    this.#append(piece);
    const line = this.#partial.subarray(0, this.#length);
    this.#length = 0;
    // One large reply must not hold its memory for the life of the connection.
    if (this.#partial.length > FIRST_CAPACITY) this.#partial = Buffer.alloc(0);
    return line;
  }

  #append(piece: Buffer): void {
    const needed = this.#length + piece.length;
    if (needed > this.#partial.length) {
      const grown = Buffer.alloc(Math.max(FIRST_CAPACITY, 2 ** Math.ceil(Math.log2(needed))));
      this.#partial.copy(grown, 0, 0, this.#length);
      this.#partial = grown;
    }
    piece.copy(this.#partial, this.#length);
    this.#length = needed;
  }
}
