import { isMap, isNode, isScalar, type Document, type LineCounter } from "yaml";
import type * as z from "zod";

/** What is wrong with the configuration: one message, exit code 2. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly code = "CONFIG_INVALID";
}

/** A file and where its values stand in it. */
export type Source = Readonly<{ file: string; document: Document; lines: LineCounter }>;

/** Longer values are cut in messages. Characters. */
const MAX_SHOWN = 60;

/**
 * One sentence for the first problem in the file, with how many more there are.
 * `agent.yaml:7: vms[0].bounds.min.mem: got "512M", expected an integer of bytes, or …`
 */
export function describeIssues(issues: readonly z.core.$ZodIssue[], source: Source): string {
  const found = issues
    .flatMap((issue) => describe(issue, source))
    .sort((a, b) => {
      // A key that is missing is often there under a wrong name: that is the one to tell.
      if (a.isMissing !== b.isMissing) return a.isMissing ? 1 : -1;
      return (a.line ?? Infinity) - (b.line ?? Infinity);
    });
  const [first] = found;
  if (first === undefined) return `${source.file}: invalid`;
  const place = first.line === null ? source.file : `${source.file}:${first.line}`;
  const more = found.length > 1 ? ` (and ${found.length - 1} more)` : "";
  return `${place}: ${first.text}${more}`;
}

type Found = Readonly<{ line: number | null; text: string; isMissing: boolean }>;

function describe(issue: z.core.$ZodIssue, source: Source): readonly Found[] {
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => {
      const path = [...issue.path, key];
      const text = `${sayPath(path)}: unknown key, expected ${issue.message}`;
      return { line: lineOf(path, source), text, isMissing: false };
    });
  }
  const value: unknown = source.document.getIn(issue.path);
  const isMissing = value === undefined;
  const got = isMissing ? "missing" : `got ${show(value)}`;
  const where = issue.path.length === 0 ? "" : `${sayPath(issue.path)}: `;
  const text = `${where}${got}, expected ${issue.message}`;
  return [{ line: lineOf(issue.path, source), text, isMissing }];
}

/** `vms[0].bounds.min.mem` */
function sayPath(path: readonly PropertyKey[]): string {
  let text = "";
  for (const part of path) {
    if (typeof part === "number") text += `[${part}]`;
    else text += text === "" ? String(part) : `.${String(part)}`;
  }
  return text;
}

/** The line of the key or item at `path`, or of the nearest thing around it; null for none. */
function lineOf(path: readonly PropertyKey[], source: Source): number | null {
  for (let length = path.length; length > 0; length -= 1) {
    const offset = offsetOf(path.slice(0, length), source);
    if (offset !== null) return source.lines.linePos(offset).line;
  }
  return null;
}

function offsetOf(path: readonly PropertyKey[], source: Source): number | null {
  const last = path.at(-1);
  const parent: unknown = source.document.getIn(path.slice(0, -1), true);
  if (isMap(parent)) {
    const pair = parent.items.find((item) => isScalar(item.key) && item.key.value === last);
    if (isNode(pair?.key) && pair.key.range) return pair.key.range[0];
  }
  const node: unknown = source.document.getIn(path, true);
  return isNode(node) && node.range ? node.range[0] : null;
}

function show(value: unknown): string {
  const plain: unknown = isNode(value) ? value.toJSON() : value;
  const text = JSON.stringify(plain);
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}
