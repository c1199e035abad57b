// Which breakages a piece of syntax offers. Each rule looks at one node; `sites.ts` walks.
import ts from "typescript";
import { type Change, type Form, type Kind } from "./mutant.ts";

export type NodeRule = (node: ts.Node, source: ts.SourceFile) => readonly Change[];

const OPERATORS: Readonly<Record<string, string>> = {
  "+": "-",
  "-": "+",
  "*": "/",
  "/": "*",
  "%": "*",
  "+=": "-=",
  "-=": "+=",
  "&&": "||",
  "||": "&&",
};
const METHODS: Readonly<Record<string, string>> = {
  "Math.min": "Math.max",
  "Math.max": "Math.min",
  "Math.floor": "Math.ceil",
  "Math.ceil": "Math.floor",
  some: "every",
  every: "some",
};
const BOUNDARIES: Readonly<Record<string, string>> = { "<": "<=", "<=": "<", ">": ">=", ">=": ">" };
const OPPOSITES: Readonly<Record<string, string>> = {
  "===": "!==",
  "!==": "===",
  "<": ">=",
  "<=": ">",
  ">": "<=",
  ">=": "<",
};

/** `+` ↔ `-`, `&&` ↔ `||`, min ↔ max, some ↔ every; of `a ?? b` only the fallback is left. */
function operators(node: ts.Node, source: ts.SourceFile): readonly Change[] {
  if (ts.isBinaryExpression(node)) {
    const operator = node.operatorToken.getText(source);
    if (operator === "??") return [change("operator", node, source, textOf(node.right, source))];
    const other = OPERATORS[operator];
    if (other === undefined || isText(node, source)) return [];
    return [change("operator", node, source, withOperator(node, other, source))];
  }
  if (!ts.isCallExpression(node) || !ts.isPropertyAccessExpression(node.expression)) return [];
  // A link of a longer `a?.b().c` would lose its short circuit in parentheses.
  if (ts.isPropertyAccessExpression(node.parent) && node.parent.expression === node) return [];
  const callee = textOf(node.expression, source);
  const name = node.expression.name.text;
  const otherName = METHODS[name];
  const other =
    METHODS[callee] ??
    (otherName === undefined ? undefined : callee.slice(0, -name.length) + otherName);
  if (other === undefined) return [];
  const rest = textOf(node, source).slice(callee.length);
  return [change("operator", node, source, other + rest)];
}

/** `<` ↔ `<=`, `>` ↔ `>=`. */
function boundaries(node: ts.Node, source: ts.SourceFile): readonly Change[] {
  if (!ts.isBinaryExpression(node)) return [];
  const other = BOUNDARIES[node.operatorToken.getText(source)];
  if (other === undefined) return [];
  return [change("boundary", node, source, withOperator(node, other, source))];
}

/** Whole conditions, and every comparison, `!` and yes or no that stands inside one or alone. */
function negations(node: ts.Node, source: ts.SourceFile): readonly Change[] {
  if (isCondition(node)) return [change("negation", node, source, `!(${textOf(node, source)})`)];
  if (ts.isBinaryExpression(node)) {
    const other = OPPOSITES[node.operatorToken.getText(source)];
    if (other !== undefined)
      return [change("negation", node, source, withOperator(node, other, source))];
  }
  const isNot =
    ts.isPrefixUnaryExpression(node) && node.operator === ts.SyntaxKind.ExclamationToken;
  if (isNot) return [change("negation", node, source, textOf(node.operand, source))];
  if (node.kind === ts.SyntaxKind.TrueKeyword) return [change("negation", node, source, "false")];
  if (node.kind === ts.SyntaxKind.FalseKeyword) return [change("negation", node, source, "true")];
  return [];
}

/** An `if` without `else` that never comes true: a guard when it leaves, otherwise lost work. */
function guards(node: ts.Node, source: ts.SourceFile): readonly Change[] {
  if (!ts.isIfStatement(node) || node.elseStatement !== undefined) return [];
  const kind = leaves(node.thenStatement) ? "guard" : "removal";
  return [change(kind, node.expression, source, "false")];
}

/** Statements made for their effect; and what a copy of a state or list changes. */
function removals(node: ts.Node, source: ts.SourceFile): readonly Change[] {
  if (ts.isExpressionStatement(node)) return [change("removal", node, source, "", "statement")];
  if (ts.isObjectLiteralExpression(node)) {
    if (!node.properties.some(ts.isSpreadAssignment)) return [];
    return without(node, node.properties, source);
  }
  if (!ts.isArrayLiteralExpression(node)) return [];
  if (node.elements.some(ts.isSpreadElement)) return without(node, node.elements, source);
  // `[next, [action]]`: what was to be done is not.
  const isList = ts.isArrayLiteralExpression(node.parent) && node.elements.length > 0;
  return isList ? [change("removal", node, source, "[]")] : [];
}

/** A function that gives back what it got, or nothing, before it did anything. */
function earlyReturns(node: ts.Node, source: ts.SourceFile): readonly Change[] {
  if (!ts.isFunctionDeclaration(node) || node.body === undefined || node.type === undefined)
    return [];
  const first = node.body.statements[0];
  const answer = emptyAnswer(node, node.type, source);
  if (first === undefined || answer === null) return [];
  const start = first.getStart(source);
  return [{ kind: "early-return", form: "entry", start, end: start, becomes: answer }];
}

/** One more and one less in the last digit that is not zero: 5_000 gives 4_000 and 6_000. */
function constants(node: ts.Node, source: ts.SourceFile): readonly Change[] {
  if (!ts.isNumericLiteral(node) || ts.isLiteralTypeNode(node.parent)) return [];
  if (ts.isPrefixUnaryExpression(node.parent) && ts.isLiteralTypeNode(node.parent.parent))
    return [];
  if ("name" in node.parent && node.parent.name === node) return [];
  const value = Number(node.text);
  const unit = lastDigitOf(value);
  return [value + unit, value - unit].map((other) =>
    change("constant", node, source, String(Number(other.toPrecision(12)))),
  );
}

export const RULES: readonly NodeRule[] = [
  operators,
  boundaries,
  negations,
  guards,
  removals,
  earlyReturns,
  constants,
];

export function lastDigitOf(value: number): number {
  if (value === 0) return 1;
  let unit = 1;
  while (value % (unit * 10) === 0) unit *= 10;
  while (!Number.isInteger(Number((value / unit).toPrecision(12)))) unit /= 10;
  return unit;
}

function change(
  kind: Kind,
  node: ts.Node,
  source: ts.SourceFile,
  becomes: string,
  form: Form = "expression",
): Change {
  return { kind, form, start: node.getStart(source), end: node.end, becomes };
}

function textOf(node: ts.Node, source: ts.SourceFile): string {
  return source.text.slice(node.getStart(source), node.end);
}

function withOperator(node: ts.BinaryExpression, operator: string, source: ts.SourceFile): string {
  return `${textOf(node.left, source)} ${operator} ${textOf(node.right, source)}`;
}

/** Joining text is not arithmetic. */
function isText(node: ts.BinaryExpression, source: ts.SourceFile): boolean {
  return /["'`]/.test(node.left.getText(source)[0] ?? "") || ts.isStringLiteralLike(node.right);
}

function isCondition(node: ts.Node): boolean {
  const { parent } = node;
  if (ts.isIfStatement(parent) || ts.isWhileStatement(parent)) return parent.expression === node;
  return (
    (ts.isConditionalExpression(parent) || ts.isForStatement(parent)) && parent.condition === node
  );
}

function leaves(statement: ts.Statement): boolean {
  const last = ts.isBlock(statement) ? statement.statements.at(-1) : statement;
  if (last === undefined) return false;
  return (
    ts.isReturnStatement(last) ||
    ts.isThrowStatement(last) ||
    ts.isContinueStatement(last) ||
    ts.isBreakStatement(last)
  );
}

function without(
  host: ts.Node,
  parts: readonly ts.Node[],
  source: ts.SourceFile,
): readonly Change[] {
  const [open, close] = ts.isObjectLiteralExpression(host) ? ["{ ", " }"] : ["[", "]"];
  const isState = ts.isObjectLiteralExpression(host);
  return parts
    .filter((part) => !isState || !ts.isSpreadAssignment(part))
    .map((part) => {
      const kept = parts.filter((other) => other !== part).map((other) => textOf(other, source));
      return change("removal", host, source, open + kept.join(", ") + close);
    });
}

/** What a function can answer without work: nothing, null, or the state it was given. */
function emptyAnswer(
  node: ts.FunctionDeclaration,
  type: ts.TypeNode,
  source: ts.SourceFile,
): string | null {
  const answer = textOf(type, source);
  if (answer === "void") return "return;";
  if (/\| null$/.test(answer)) return "return null;";
  for (const { name, type: given } of node.parameters) {
    if (given === undefined || !ts.isIdentifier(name)) continue;
    if (textOf(given, source) === answer) return `return ${name.text};`;
    const whole = aliasOf(answer, source) ?? answer;
    if (whole.startsWith(`readonly [${textOf(given, source)}, readonly `))
      return `return [${name.text}, []];`;
  }
  return null;
}

/** What a type's name stands for, when this very file says so. */
function aliasOf(name: string, source: ts.SourceFile): string | null {
  for (const statement of source.statements)
    if (ts.isTypeAliasDeclaration(statement) && statement.name.text === name)
      return textOf(statement.type, source);
  return null;
}
