// What was observed, as tables of Markdown, and their place in docs/protocol.md.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { format, resolveConfig } from "prettier";
import { REPOSITORY } from "../guest/cache.ts";
import { type Kind } from "./kinds.ts";
import { type Side } from "./peers.ts";

/** One kind at work. */
export type Steady = Readonly<{ kind: Kind; follows: boolean }>;

/** One replacement while connected. */
export type Replaced = Readonly<{
  direction: "upgrade" | "downgrade";
  from: Kind;
  to: Kind;
  /** Control modes, from that before to that after. */
  modes: readonly string[];
  /** More was needed than there was, and it came. */
  follows: boolean;
  /** Not less than it had until the new mode was reached, and never less than was needed. */
  kept: boolean;
}>;

export type Observed = Readonly<{ steady: Steady[]; replaced: Replaced[] }>;

const DOCUMENT = join(REPOSITORY, "docs/protocol.md");
const [BEGIN, END] = ["<!-- matrix:begin -->", "<!-- matrix:end -->"];
const TITLES: Readonly<Record<Side, string>> = {
  monitor: "Today's agent with each kind of monitor",
  agent: "Today's monitor with each kind of agent",
};

/** As it should stand in the document. */
export async function matrix(observed: Readonly<Record<Side, Observed>>): Promise<string> {
  const sides = (["monitor", "agent"] as const).map((side) => ofSide(side, observed[side]));
  const options = await resolveConfig(DOCUMENT);
  return (await format(sides.join("\n\n"), { ...options, parser: "markdown" })).trim();
}

/** As it stands in the document. */
export function documented(): string {
  const [, text] = parts();
  return text.trim();
}

export function document(text: string): void {
  const [before, , after] = parts();
  writeFileSync(DOCUMENT, `${before}${BEGIN}\n\n${text}\n\n${END}${after}`);
}

function ofSide(side: Side, { steady, replaced }: Observed): string {
  const kinds = steady.map(({ kind, follows }) => [
    ...[kind.name, String(kind.version), kind.mode],
    yes(follows),
  ]);
  const switches = replaced.map(({ direction, from, to, modes, follows, kept }) => [
    ...[direction, from.name, to.name, modes.join(" → ")],
    yes(follows),
    yes(kept),
  ]);
  return [
    `### ${TITLES[side]}`,
    table([side, "agreed version", "control mode", "size follows need"], kinds),
    `The ${side} is replaced while connected and memory is in use:`,
    table(
      ["", "from", "to", "control mode", "size follows need", "nothing shrank wrongly"],
      switches,
    ),
  ].join("\n\n");
}

function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [headings, headings.map(() => "-"), ...rows];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function yes(holds: boolean): string {
  return holds ? "yes" : "**no**";
}

/** Before the markers, between them, and after them. */
function parts(): readonly [string, string, string] {
  const whole = readFileSync(DOCUMENT, "utf8");
  const [from, to] = [whole.indexOf(BEGIN), whole.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`${DOCUMENT} has no place for the matrix`);
  return [whole.slice(0, from), whole.slice(from + BEGIN.length, to), whole.slice(to + END.length)];
}
