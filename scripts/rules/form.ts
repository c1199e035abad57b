// How code is written: what it exports, how zod is imported, no test left out, how long things may get.
import ts from "typescript";
import { isCode, isTest, lineAt, nodeRule, type RepoFile, type Rule } from "./source.ts";

/** Tools want their configuration as a default export. */
function isConfig({ path }: RepoFile): boolean {
  return /^[^/]+\.config\.[cm]?[jt]s$/.test(path);
}

export const noDefaultExports = nodeRule(
  (file) => !isConfig(file),
  (node) => {
    const isDefault =
      (ts.isExportAssignment(node) && node.isExportEquals !== true) ||
      (ts.isExportSpecifier(node) && node.name.text === "default") ||
      (node.kind === ts.SyntaxKind.DefaultKeyword && !ts.isDefaultClause(node.parent));
    return isDefault ? "a default export: name it" : null;
  },
);

/** `z` as an object keeps all of zod in the bundle; a namespace lets the unused parts go. */
export const zodIsANamespace = nodeRule(
  () => true,
  (node) => {
    if (!ts.isImportDeclaration(node) || !ts.isStringLiteral(node.moduleSpecifier)) return null;
    if (!/^zod(\/|$)/.test(node.moduleSpecifier.text)) return null;
    const clause = node.importClause;
    const bindings = clause?.namedBindings;
    const isNamed =
      bindings !== undefined &&
      ts.isNamedImports(bindings) &&
      bindings.elements.some((one) => (one.propertyName ?? one.name).text === "z");
    return clause?.name !== undefined || isNamed ? 'write import * as z from "zod"' : null;
  },
);

const TEST_CALLS: ReadonlySet<string> = new Set(["test", "it", "describe", "suite", "bench"]);
const LEFT_OUT: ReadonlySet<string> = new Set(["only", "skip", "todo"]);

/** A test that is switched off, or that switches the others off, is found here and not in a year. */
export const noTestLeftOut = nodeRule(
  () => true,
  (node) => {
    if (ts.isPropertyAccessExpression(node)) {
      const isLeftOut = LEFT_OUT.has(node.name.text) && TEST_CALLS.has(rootOf(node.expression));
      return isLeftOut ? `${node.getText()}: every test runs` : null;
    }
    if (!ts.isCallExpression(node) || !TEST_CALLS.has(rootOf(node.expression))) return null;
    const option = node.arguments
      .filter(ts.isObjectLiteralExpression)
      .flatMap(({ properties }) => [...properties])
      .find(({ name }) => name !== undefined && LEFT_OUT.has(name.getText()));
    return option === undefined ? null : `{ ${option.getText()} }: every test runs`;
  },
);

/** "test" of `test.concurrent.for(rows)`; "" when it begins with something else than a name. */
function rootOf(node: ts.Expression): string {
  if (ts.isIdentifier(node)) return node.text;
  if (ts.isPropertyAccessExpression(node)) return rootOf(node.expression);
  return ts.isCallExpression(node) ? rootOf(node.expression) : "";
}

export const MAX_FILE_LINES = 400;
export const MAX_FUNCTION_LINES = 60;

export const noLongFiles: Rule = (files) =>
  files
    .filter((file) => isCode(file) && !isTest(file))
    .map(({ path, text }) => ({
      path,
      lines: text.split("\n").length - (text.endsWith("\n") ? 1 : 0),
    }))
    .filter(({ lines }) => lines > MAX_FILE_LINES)
    .map(({ path, lines }) => ({
      path,
      line: MAX_FILE_LINES + 1,
      problem: `${lines} lines, at most ${MAX_FILE_LINES}`,
    }));

export const noLongFunctions = nodeRule(
  (file) => !isTest(file),
  (node) => {
    if (!ts.isFunctionLike(node) || !("body" in node) || node.body === undefined) return null;
    const syntax = node.getSourceFile();
    const lines = lineAt(syntax, node.end) - lineAt(syntax, node.getStart()) + 1;
    return lines > MAX_FUNCTION_LINES
      ? `a function of ${lines} lines, at most ${MAX_FUNCTION_LINES}`
      : null;
  },
);
