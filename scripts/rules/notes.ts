// What a comment must say when it puts something off or switches something off.
import ts from "typescript";
import { isCode, syntaxOf, type RepoFile, type Rule, type Violation } from "./source.ts";

type Note = Readonly<{
  found: RegExp;
  /** How the rest of its line must read. */
  wanted: RegExp;
  /** Whether a comment right above will do instead. */
  orAbove: boolean;
  problem: string;
}>;

const NOTES: readonly Note[] = [
  {
    found: /\b(?:TODO|FIXME|XXX)\b/g,
    wanted: /^\w+\W{0,3}#\d+/,
    orAbove: false,
    problem: "a note without the number of its issue, as in TODO #12",
  },
  {
    found: /\beslint-disable\b/g,
    wanted: /^eslint-disable[^\n]* -- \S/,
    orAbove: true,
    problem: "eslint-disable without a reason: write it above, or behind --",
  },
  {
    found: /@ts-(?:ignore|expect-error|nocheck)\b/g,
    wanted: /^@ts-expect-error:? \S/,
    orAbove: false,
    problem: "only @ts-expect-error is allowed, and with a reason",
  },
];

/** In code only where it is a comment; in scripts and settings only behind a #. Prose may say what it likes. */
export const notesAreExplained: Rule = (files) =>
  files.flatMap((file) => {
    if (/\.(md|json|txt)$|\/fixtures\//.test(file.path)) return [];
    return NOTES.flatMap((note) =>
      [...file.text.matchAll(note.found)]
        .filter(({ index }) => !isExplained(file, index, note) && isComment(file, index))
        .map(({ index }): Violation => {
          return { path: file.path, line: lineOf(file, index), problem: note.problem };
        }),
    );
  });

function isExplained(file: RepoFile, index: number, { wanted, orAbove }: Note): boolean {
  const above = file.text.split("\n")[lineOf(file, index) - 2] ?? "";
  if (orAbove && /^\s*\/\/ (?!eslint-)\S/.test(above)) return true;
  return wanted.test(restOfLine(file, index));
}

function restOfLine({ text }: RepoFile, index: number): string {
  const end = text.indexOf("\n", index);
  return text.slice(index, end === -1 ? text.length : end);
}

function lineOf({ text }: RepoFile, index: number): number {
  return text.slice(0, index).split("\n").length;
}

function isComment(file: RepoFile, index: number): boolean {
  if (!isCode(file)) {
    return file.text.slice(file.text.lastIndexOf("\n", index) + 1, index).includes("#");
  }
  const syntax = syntaxOf(file);
  let node: ts.Node = syntax;
  for (;;) {
    if (ts.isJSDoc(node)) return true;
    const inside = node.getChildren(syntax).find(({ pos, end }) => pos <= index && index < end);
    // A token's range begins with the comments before it, its text behind them.
    if (inside === undefined) return index < node.getStart(syntax);
    node = inside;
  }
}
