// Scenario files: commands to a small world, and below each group of them every word and deed of the machine. A
// file holds both, so that a changed answer is reviewed as a diff.

/** Carries out one command, `name rest`, and gives the lines that it led to. */
export type Play = (name: string, rest: string) => readonly string[];

const CUT = "----";

/** The scenario as it would be written now: comments and commands as they stand, answers anew. */
export function replay(scenario: string, play: Play): string {
  const blocks = scenario.trimEnd().split("\n\n");
  return `${blocks.map((block) => playBlock(block, play)).join("\n\n")}\n`;
}

function playBlock(block: string, play: Play): string {
  const lines = block.split("\n");
  const cut = lines.indexOf(CUT);
  const said = cut < 0 ? lines : lines.slice(0, cut);
  const commands = said.filter((line) => !line.startsWith("#"));
  if (commands.length === 0) return block;
  const answers = commands.flatMap((command) => {
    const [name = "", ...words] = command.split(" ");
    return shorter(play(name, words.join(" ")));
  });
  return [...said, CUT, ...answers].join("\n");
}

/** Looking at QEMU, or at its CPU, again and again is one line. */
function shorter(lines: readonly string[]): string[] {
  const kept: string[] = [];
  let looks = 0;
  let before = "";
  for (const [index, line] of lines.entries()) {
    const look = lookIn(line);
    looks = look !== "" && look === before ? looks + 1 : 1;
    before = look;
    if (looks < 2) kept.push(line);
    else if (lookIn(lines[index + 1]) !== look) kept.push(`${line}, ${looks} times by then`);
  }
  return kept;
}

function lookIn(line = ""): string {
  return ["observe", "read-cpu"].find((look) => line.endsWith(` ${look}`)) ?? "";
}

type Action = Readonly<{ kind: string }>;
type Note = Readonly<{ level: string; reason: string; message: string; data?: unknown }>;

/** One line for an action of either machine. */
export function wordsOf(action: Action): string {
  const { kind, ...rest } = action;
  if ("text" in action) return `says ${String(action.text).trim()}`;
  if ("note" in action) {
    const { level, reason, message, data } = action.note as Note;
    return `${level} ${reason}: ${message}${data === undefined ? "" : ` ${JSON.stringify(data)}`}`;
  }
  return Object.keys(rest).length === 0 ? kind : `${kind} ${JSON.stringify(rest)}`;
}

export function numbers(text: string): [number, number, number, number] {
  const [a = 0, b = 0, c = 0, d = 0] = text.split(" ").map(Number);
  return [a, b, c, d];
}

// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the scenario's author vouches for it
export function json<Value>(text: string): Value {
  return JSON.parse(text) as Value;
}
