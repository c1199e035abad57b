// What every rule works on: the repository's files as text, and the syntax of those that are code.
import ts from "typescript";

/** `path` is relative to the root of the repository, with forward slashes. */
export type RepoFile = Readonly<{ path: string; text: string }>;

/** Lines count from 1. */
export type Violation = Readonly<{ path: string; line: number; problem: string }>;

/** Judges all files at once: an import is sound or not by where it leads. */
export type Rule = (files: readonly RepoFile[]) => readonly Violation[];

export function isCode({ path }: RepoFile): boolean {
  return /\.[cm]?[jt]s$/.test(path);
}

/** Tests, and what only tests use. */
export function isTest({ path }: RepoFile): boolean {
  return /\.test\.ts$|\/testing\//.test(path);
}

const parsed = new WeakMap<RepoFile, ts.SourceFile>();

/** Parsed once per file, however many rules look at it. No types: that would take seconds. */
export function syntaxOf(file: RepoFile): ts.SourceFile {
  const known = parsed.get(file);
  if (known !== undefined) return known;
  const syntax = ts.createSourceFile(file.path, file.text, ts.ScriptTarget.Latest, true);
  parsed.set(file, syntax);
  return syntax;
}

/** Calls `visit` with every node below the file, outermost first. */
export function walk(syntax: ts.SourceFile, visit: (node: ts.Node) => void): void {
  const go = (node: ts.Node): void => {
    visit(node);
    ts.forEachChild(node, go);
  };
  ts.forEachChild(syntax, go);
}

export function lineAt(syntax: ts.SourceFile, position: number): number {
  return syntax.getLineAndCharacterOfPosition(position).line + 1;
}

export function violationAt(file: RepoFile, node: ts.Node, problem: string): Violation {
  const syntax = syntaxOf(file);
  return { path: file.path, line: lineAt(syntax, node.getStart(syntax)), problem };
}

/** A rule that looks at one file of code at a time, node by node. null: nothing wrong. */
export function nodeRule(
  applies: (file: RepoFile) => boolean,
  judge: (node: ts.Node, file: RepoFile) => string | null,
): Rule {
  return (files) =>
    files
      .filter((file) => isCode(file) && applies(file))
      .flatMap((file) => {
        const found: Violation[] = [];
        walk(syntaxOf(file), (node) => {
          const problem = judge(node, file);
          if (problem !== null) found.push(violationAt(file, node, problem));
        });
        return found;
      });
}
