// Every mutant that a file of code offers, in the order of the text, each with a name that lasts.
import { createHash } from "node:crypto";
import ts from "typescript";
import { RULES } from "./changes.ts";
import { type Change, type Mutant } from "./mutant.ts";

const ASSERTION = /^assert([A-Z]|$)/;

/**
 * Assertions are left whole: they check and do nothing, so only a second fault could tell one that
 * is gone. Types, imports and the never-reached end of a switch are no behaviour.
 */
function isLeftWhole(node: ts.Node): boolean {
  if (ts.isTypeNode(node) || ts.isImportDeclaration(node) || ts.isSatisfiesExpression(node))
    return true;
  if (ts.isExpressionStatement(node)) return isLeftWhole(node.expression);
  if (ts.isFunctionDeclaration(node)) return ASSERTION.test(node.name?.text ?? "");
  if (!ts.isCallExpression(node) || !ts.isIdentifier(node.expression)) return false;
  return ASSERTION.test(node.expression.text);
}

export function mutantsOf(file: string, text: string): readonly Mutant[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const found: Mutant[] = [];
  const seen = new Map<string, number>();
  const name = (change: Change, scope: string): Mutant => {
    const was = oneLine(text.slice(change.start, change.end));
    const base = [file, scope, change.kind, was, oneLine(change.becomes)].join("\n");
    const ordinal = (seen.get(base) ?? 0) + 1;
    seen.set(base, ordinal);
    const hash = createHash("sha256").update(`${base}\n${ordinal}`).digest("hex").slice(0, 6);
    const { line } = source.getLineAndCharacterOfPosition(change.start);
    return { ...change, id: `${file}:${change.kind}:${hash}`, file, line: line + 1, was };
  };
  const visit = (node: ts.Node, scope: string): void => {
    if (isLeftWhole(node)) return;
    for (const rule of RULES)
      found.push(...rule(node, source).map((change) => name(change, scope)));
    ts.forEachChild(node, (child) => visit(child, scopeOf(node) ?? scope));
  };
  ts.forEachChild(source, (node) => visit(node, ""));
  return found;
}

function scopeOf(node: ts.Node): string | null {
  if (ts.isFunctionDeclaration(node)) return node.name?.text ?? null;
  const isNamed = ts.isVariableDeclaration(node) || ts.isMethodDeclaration(node);
  return isNamed && ts.isIdentifier(node.name) ? node.name.text : null;
}

export function oneLine(code: string): string {
  return code.replace(/\s+/g, " ").trim();
}
