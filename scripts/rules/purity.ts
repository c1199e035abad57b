// packages/core decides, packages/referee judges, packages/simulator and packages/evaluation play worlds in virtual time, and they do nothing else: same
// arguments, same answer. So they have no clock, no chance but a seed's, no waiting, no world, and nothing that a module remembers between two calls. What they import is for imports.ts.
import ts from "typescript";
import { isTest, nodeRule, type RepoFile } from "./source.ts";

/** Names of the world outside. To call something of one's own by such a name is refused as well. */
const IMPURE: ReadonlySet<string> = new Set([
  ...["Date", "Intl", "Temporal", "performance"],
  ...["setTimeout", "setInterval", "setImmediate", "queueMicrotask", "Promise", "Atomics"],
  ...["process", "console", "globalThis", "global", "Buffer", "require", "eval"],
  ...["fetch", "crypto", "WebSocket", "EventSource", "XMLHttpRequest"],
  ...["WeakRef", "FinalizationRegistry"],
]);

export const coreIsPure = nodeRule(isCore, (node) => {
  if (ts.isIdentifier(node)) return identifierProblem(node);
  if (node.kind === ts.SyntaxKind.AsyncKeyword) return "async: core waits for nothing";
  if (ts.isAwaitExpression(node)) return "await: core waits for nothing";
  if (ts.isForOfStatement(node) && node.awaitModifier !== undefined) {
    return "for await: core waits for nothing";
  }
  if (ts.isMetaProperty(node) && node.keywordToken === ts.SyntaxKind.ImportKeyword) {
    return "import.meta: core does not know where it is";
  }
  if (node.kind === ts.SyntaxKind.ImportKeyword && ts.isCallExpression(node.parent)) {
    return "import(): core waits for nothing";
  }
  return isModuleVariable(node) ? "a variable of the module: core remembers nothing" : null;
});

function isCore(file: RepoFile): boolean {
  return /^packages\/(core|referee|simulator|evaluation)\/src\//.test(file.path) && !isTest(file);
}

function identifierProblem(node: ts.Identifier): string | null {
  if (isOnlyAName(node)) return null;
  if (IMPURE.has(node.text)) return `${node.text} is not pure`;
  if (node.text !== "Math") return null;
  const { parent } = node;
  // Any other way to get at Math could get at Math.random.
  if (!ts.isPropertyAccessExpression(parent)) return "Math, otherwise than as Math.something";
  return parent.name.text === "random" ? "Math.random is not pure" : null;
}

/** True where the identifier names a field or the like, and so refers to nothing outside. */
function isOnlyAName(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent)) return parent.name === node;
  if (ts.isQualifiedName(parent)) return parent.right === node;
  if (ts.isBindingElement(parent)) return parent.propertyName === node;
  return (
    (ts.isPropertyAssignment(parent) ||
      ts.isPropertySignature(parent) ||
      ts.isPropertyDeclaration(parent) ||
      ts.isMethodSignature(parent) ||
      ts.isMethodDeclaration(parent) ||
      ts.isAccessor(parent) ||
      ts.isNamedTupleMember(parent)) &&
    parent.name === node
  );
}

function isModuleVariable(node: ts.Node): boolean {
  if (!ts.isVariableStatement(node) || !ts.isSourceFile(node.parent)) return false;
  return (node.declarationList.flags & ts.NodeFlags.Const) === 0;
}
