// Finds what a file of code imports, in every way there is to write it.
import path from "node:path/posix";
import ts from "typescript";
import { isCode, syntaxOf, walk, type RepoFile } from "./source.ts";

export type Import = Readonly<{
  /** As written. null: computed, so nobody can tell. */
  specifier: string | null;
  node: ts.Node;
}>;

const listed = new WeakMap<RepoFile, readonly Import[]>();

export function importsOf(file: RepoFile): readonly Import[] {
  const known = listed.get(file);
  if (known !== undefined) return known;
  const imports: Import[] = [];
  walk(syntaxOf(file), (node) => {
    const source = sourceOf(node);
    if (source === null) return;
    imports.push({ specifier: ts.isStringLiteralLike(source) ? source.text : null, node });
  });
  listed.set(file, imports);
  return imports;
}

/** The expression that names what this node imports; null when it imports nothing. */
function sourceOf(node: ts.Node): ts.Node | null {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) {
    return node.moduleSpecifier ?? null;
  }
  if (ts.isImportTypeNode(node)) {
    return ts.isLiteralTypeNode(node.argument) ? node.argument.literal : node.argument;
  }
  if (ts.isExternalModuleReference(node)) return node.expression;
  if (!ts.isCallExpression(node)) return null;
  const { expression } = node;
  const isImport = expression.kind === ts.SyntaxKind.ImportKeyword;
  const isRequire = ts.isIdentifier(expression) && expression.text === "require";
  return isImport || isRequire ? (node.arguments[0] ?? node) : null;
}

/** The path that a relative import leads to; null when it is not relative. */
export function targetOf(file: RepoFile, specifier: string): string | null {
  return /^\.\.?(\/|$)/.test(specifier) ? path.join(path.dirname(file.path), specifier) : null;
}

/** Files of code and the files of the repository that each imports, types included. */
export function importGraph(files: readonly RepoFile[]): ReadonlyMap<string, readonly string[]> {
  const code = files.filter(isCode);
  const paths = new Set(code.map((file) => file.path));
  return new Map(
    code.map((file) => {
      const targets = importsOf(file)
        .flatMap(({ specifier }) => (specifier === null ? [] : [targetOf(file, specifier)]))
        .filter((target) => target !== null && paths.has(target));
      return [file.path, [...new Set(targets)] as string[]];
    }),
  );
}
