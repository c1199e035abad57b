// What a check is, and how it ends. A check speaks with the subject and throws as soon as it knows that the rule is broken.

/** What happened on a connection, in order. `note`: something that is no frame, such as a close. */
export type Line = Readonly<{ atMs: number; who: "kit" | "subject" | "note"; text: string }>;

/** How a rule fared. `deviation`: broken, and the profile knows that this kind of peer breaks it. */
export type Verdict =
  | Readonly<{ kind: "pass" }>
  | Readonly<{ kind: "fail"; why: string; lines: readonly Line[] }>
  | Readonly<{ kind: "not-applicable"; why: string }>
  | Readonly<{ kind: "deviation"; why: string; lines: readonly Line[] }>;

/** Where a rule belongs. `always`: to every connection, whatever else is checked on it. */
export const GROUPS = [
  "transport",
  "handshake",
  "version 1",
  "version 2",
  "security",
  "always",
] as const;
export type Group = (typeof GROUPS)[number];

/** One rule of docs/protocol.md, and how to find out whether the subject keeps it. */
export type Check<Subject> = Readonly<{
  /** Never renamed: people and profiles refer to it. Group and rule, as in "v1/health-check". */
  id: string;
  group: Group;
  /** The rule, in one sentence, as the specification has it. */
  rule: string;
  /** Known to crash a deployed peer: done only when it is asked for, whatever the profile. */
  isDangerous?: true;
  /** Resolves when the rule was kept. Throws Broken or NotApplicable; anything else is our mistake. */
  run(subject: Subject): Promise<void>;
}>;

/** The subject broke the rule. The message says how, for people. */
export class Broken extends Error {
  override readonly name = "Broken";
  /** What was said that shows it; null: what was said last. */
  readonly lines: readonly Line[] | null;

  constructor(message: string, lines: readonly Line[] | null = null) {
    super(message);
    this.lines = lines;
  }
}

/** The rule says nothing about this subject, or nothing could be seen of it. The message says why. */
export class NotApplicable extends Error {
  override readonly name = "NotApplicable";
}

/** `truth` is what the rule demands. */
export function demand(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new Broken(otherwise);
}

/** Longest a frame is shown to people. */
const SHOWN_CHARS = 400;

/** A frame as it is shown. */
export function clip(text: string): string {
  if (text.length <= SHOWN_CHARS) return text;
  return `${text.slice(0, SHOWN_CHARS)}… (${text.length} characters)`;
}
