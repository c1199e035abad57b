// What `explain` and the orders print.
import { sayMs } from "@selfscale/core";
import { type ExplainAnswer, type OrderAnswer } from "./routes.ts";
import { sayOrders } from "./words.ts";

/** `now`: wall clock, for ages. */
export function explainText(answer: ExplainAnswer, now: number): string {
  const { vm, ladder, wants, reason, binds, rule, changes, notes } = answer;
  const age = (at: string) => sayMs(now - Date.parse(at));
  const ages = notes.map(({ at }) => `${age(at)} ago`);
  const width = Math.max(0, ...ages.map((text) => text.length));
  return [
    `${vm}: ${ladder}`,
    ...section("wants", wants),
    ...section("binds", [reason === null ? binds : `${reason}: ${binds}`]),
    ...section("rule", rule === null ? [] : [rule]),
    ...section("what would change it", changes),
    ...section(
      "last notes",
      notes.map(({ reason: word, message, times }, index) => {
        const often = times > 1 ? ` (${times} times)` : "";
        return `${(ages[index] ?? "").padStart(width)}  ${word}: ${message}${often}`;
      }),
    ),
    "",
  ].join("\n");
}

/** Nothing for nothing. */
function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [`${title}:`, ...lines.map((line) => `  ${line}`)];
}

/** What holds now, and what the operator must know of it. */
export function orderText({ vm, operator, warning }: OrderAnswer): string {
  const orders = sayOrders(operator, (until) => `until ${until}`);
  const note = warning === null ? "" : `note: ${warning}\n`;
  return `${vm}: ${orders ?? "nothing is ordered by hand"}\n${note}`;
}
