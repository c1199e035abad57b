// Every number by which the sizing policy decides is a setting, or says why it is none. Settings are in policy/config.ts and
// presets.ts; a number anywhere else in the policy is a constant of its module with a comment that says "Not a setting".
import ts from "typescript";
import { isTest, nodeRule, type RepoFile } from "./source.ts";

/** Nothing, one, twice, and what turns one unit into another. */
const PLAIN: ReadonlySet<string> = new Set(["0", "1", "2", "1000", "1024"]);

export const policyNumbersAreSettings = nodeRule(isPolicy, (node) => {
  if (!ts.isNumericLiteral(node) || PLAIN.has(node.text)) return null;
  const statement = moduleConstant(node);
  if (statement !== null && /\/\*\*[^/]*\bNot a setting\b/.test(statement.getFullText()))
    return null;
  return `${node.getText()} is no setting: move it to policy/config.ts, or say why: "Not a setting: …"`;
});

function isPolicy(file: RepoFile): boolean {
  if (!file.path.startsWith("packages/core/src/policy/") || isTest(file)) return false;
  return !/\/(config|presets)\.ts$/.test(file.path);
}

/** The `const` of the module that this number is the value of, or a part of it. */
function moduleConstant(node: ts.Node): ts.VariableStatement | null {
  for (let at = node; !ts.isSourceFile(at); at = at.parent) {
    if (ts.isVariableStatement(at) && ts.isSourceFile(at.parent)) return at;
  }
  return null;
}
