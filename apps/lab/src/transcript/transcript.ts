// From recorded events to a story. Pure: the same recording, the same lines.
import {
  isLinkEvent,
  type App,
  type Header,
  type RecordedEvent,
  type Recording,
  type ShadowEvent,
} from "@selfscale/recording";
import { LinkTeller, type Line } from "./link-teller.ts";
import { understand } from "./understand.ts";
import { sayCpu, sayBytes } from "./units.ts";

/** What one run of an app recorded, its parts put together. */
export type Story = Readonly<{
  header: Header;
  lines: readonly Line[];
  /** Whole sentences about the recording itself. */
  remarks: readonly string[];
}>;

export type Choice = Readonly<{
  /** Only this VM; null: all. */
  vm: string | null;
  /** Only this link of each VM; null: all. */
  link: number | null;
  /** Every frame in a line of its own, health checks too. */
  isRaw: boolean;
}>;

/** One story per run: the parts of one run, oldest first, are put together. */
export function tellStories(recordings: readonly Recording[], choice: Choice): readonly Story[] {
  return runsOf(recordings).map((parts) => {
    const [{ header }] = parts;
    const events = parts.flatMap((part) => part.events);
    return { header, lines: tell(header.app, events, choice), remarks: remarksOn(parts) };
  });
}

type Run = [Recording, ...Recording[]];

function runsOf(recordings: readonly Recording[]): Run[] {
  const runs: Run[] = [];
  for (const recording of recordings) {
    const run = runs.at(-1);
    const { pid, startedAt } = recording.header;
    const isSame = run?.[0].header.pid === pid && run[0].header.startedAt === startedAt;
    if (isSame) run.push(recording);
    else runs.push([recording]);
  }
  return runs;
}

type Unlinked = Exclude<RecordedEvent, { link: number }>;

function tell(app: App, events: readonly RecordedEvent[], choice: Choice): readonly Line[] {
  const heard = understand(app, events);
  const tellers = new Map<string, LinkTeller>();
  const lines: Line[] = [];
  for (const event of events) {
    if (!isLinkEvent(event)) {
      const text = sayUnlinked(event, choice);
      const nowhere = { vm: null, link: null, between: null, raw: null };
      if (text !== null) lines.push({ atMs: event.atMs, ...nowhere, text });
      continue;
    }
    if (choice.vm !== null && event.vm !== choice.vm) continue;
    if (choice.link !== null && event.link !== choice.link) continue;
    const key = `${event.vm ?? ""} ${event.link}`;
    const teller = tellers.get(key) ?? new LinkTeller(app, lines, choice.isRaw);
    tellers.set(key, teller);
    teller.tell(event, heard.get(event) ?? null);
  }
  return lines;
}

/** null: it is not part of the story. Measurements are for a replay. */
function sayUnlinked(event: Unlinked, { vm, link }: Choice): string | null {
  if (event.kind === "lost") {
    return `${event.count} events are missing here: they could not be written`;
  }
  const isAsked = vm === null && link === null;
  return event.kind === "shadow" && isAsked ? sayShadow(event) : null;
}

function sayShadow({ preset, live, shadow }: ShadowEvent): string {
  const say = ({ milliCpu, memBytes }: ShadowEvent["live"]) =>
    `${sayCpu(milliCpu / 1000)}, ${sayBytes(memBytes)}`;
  const isSame = live.milliCpu === shadow.milliCpu && live.memBytes === shadow.memBytes;
  if (isSame) return `shadow ${preset}: both want ${say(live)} again`;
  return `shadow ${preset}: would want ${say(shadow)}, where the live policy wants ${say(live)}`;
}

function remarksOn(parts: Run): string[] {
  const [first] = parts;
  const skipped = parts.reduce((sum, part) => sum + part.skippedLines, 0);
  const isTorn = parts.at(-1)?.isTorn ?? false;
  return [
    ...(first.header.part > 1 ? ["What came before was rotated away."] : []),
    ...(skipped > 0 ? [`Lines that could not be read: ${skipped}.`] : []),
    ...(isTorn ? ["The last line has no end: the recorder was killed, or the disk full."] : []),
  ];
}
