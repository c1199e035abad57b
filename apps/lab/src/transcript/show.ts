// A story as text for people, or as JSON lines for programs.
import { type Between, type Line } from "./link-teller.ts";
import { type Story } from "./transcript.ts";

const ARROWS: Readonly<Record<Between, string>> = {
  "agent-to-monitor": "agent → monitor  ",
  "monitor-to-agent": "monitor → agent  ",
  both: "agent ⇄ monitor  ",
};

export function showStories(stories: readonly Story[]): string {
  return stories.map(showStory).join("\n");
}

export function storiesAsJson(stories: readonly Story[]): string {
  const lines = stories.flatMap(({ header, lines: told, remarks }) => [
    { kind: "recording", ...header, remarks },
    ...told.map((line) => ({ kind: "line", ...line })),
  ]);
  return lines.map((line) => `${JSON.stringify(line)}\n`).join("");
}

function showStory({ header, lines, remarks }: Story): string {
  const { app, release, pid, startedAt } = header;
  const head = `Recorded by the ${app}, release ${release}, process ${pid}, from ${startedAt}.`;
  const labels = new Set(lines.flatMap((line) => (line.link === null ? [] : [labelOf(line)])));
  // One link needs no name in every line.
  const width = labels.size > 1 ? Math.max(...[...labels].map((label) => label.length)) : 0;
  const body = lines.map((line) => showLine(line, width));
  const nothing = lines.length === 0 ? ["Nothing of it was recorded."] : [];
  return `${[head, ...body, ...nothing, ...remarks].join("\n")}\n`;
}

function showLine(line: Line, width: number): string {
  const at = `+${(line.atMs / 1000).toFixed(3)}`.padStart(9);
  const label = width === 0 ? "" : `${(line.link === null ? "" : labelOf(line)).padEnd(width)}  `;
  const said = `${at}  ${label}${line.between === null ? "" : ARROWS[line.between]}${line.text}`;
  return line.raw === null ? said : `${said}\n${" ".repeat(11)}${label}${visible(line.raw)}`;
}

/** The text as it is, but for what would move a terminal's cursor. */
function visible(raw: string): string {
  return raw.replace(/[\p{Cc}\u2028\u2029]/gu, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

/** "pg-1/2": the second connection of this VM; a monitor has one VM, and no name for it. */
function labelOf({ vm, link }: Line): string {
  return vm === null ? String(link) : `${vm}/${String(link)}`;
}
