import { type Document, type LineCounter, type Node } from "yaml";
import type * as z from "zod";

/** What is wrong with the configuration: one message, exit code 2. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly code = "CONFIG_INVALID";
}

/** Where a file's values stand, to name the line. */
export type Source = Readonly<{ file: string; document: Document; lines: LineCounter }>;

const MAX_SHOWN = 60;

/**
 * One sentence for the first problem in the file: file, line, path, value, what was expected.
 * `monitor.yaml:3: memory.pageInMaxBytesPerSec: "fast" is not accepted: expected …`
 */
export function describeIssues(issues: readonly z.core.$ZodIssue[], source: Source): string {
  const found = issues
    .map((issue) => describe(issue, source))
    .sort((a, b) => (a.line ?? Infinity) - (b.line ?? Infinity));
  const [first] = found;
  if (first === undefined) return `${source.file}: invalid`;
  const place = first.line === null ? source.file : `${source.file}:${first.line}`;
  const more = found.length > 1 ? ` (and ${found.length - 1} more)` : "";
  return `${place}: ${first.text}${more}`;
}

type Found = Readonly<{ line: number | null; text: string }>;

function describe(issue: z.core.$ZodIssue, source: Source): Found {
  if (issue.code === "unrecognized_keys") {
    const key = issue.keys[0] ?? "";
    const path = [...issue.path, key];
    return { line: lineOf(path, source), text: `${path.join(".")}: unknown key` };
  }
  const value: unknown = source.document.getIn(issue.path);
  const shown = value === undefined ? "nothing" : describeValue(value);
  const where = issue.path.length === 0 ? "" : `${issue.path.join(".")}: `;
  return {
    line: lineOf(issue.path, source),
    text: `${where}${shown} is not accepted: ${issue.message}`,
  };
}

/** The line of the value at `path`, or of the nearest thing around it; null when there is none. */
function lineOf(path: readonly PropertyKey[], source: Source): number | null {
  for (let length = path.length; length >= 0; length--) {
    const node = source.document.getIn(path.slice(0, length), true);
    const { range } = (node ?? {}) as Partial<Node>;
    if (range) return source.lines.linePos(range[0]).line;
  }
  return null;
}

/** A value as it was written, about. */
export function describeValue(value: unknown): string {
  const text = JSON.stringify(value); // YAML's own nodes know how to become JSON
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}
