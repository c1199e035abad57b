// Small files of the kernel, read without a word where they are missing: which there are differs from machine to machine.
import fs from "node:fs";

/** null: it is not there, or can't be read. */
export function readText(file: string): string | null {
  try {
    return fs.readFileSync(file, "utf8");
  } catch {
    return null;
  }
}

/** The first number that the pattern finds; null: none. */
export function findNumber(text: string | null, pattern: RegExp): number | null {
  const found = text === null ? null : pattern.exec(text);
  return found === null ? null : Number(found[1]);
}
