// The recorded conversations of each release, connection by connection.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isLinkEvent, readRecordings, type App, type LinkEvent } from "@selfscale/recording";

/** One thing that happened on one connection. */
export type Moment = Readonly<{ atMs: number }> &
  (
    | Readonly<{ kind: "opened" }>
    | Readonly<{ kind: "frame"; from: App; text: string }>
    | Readonly<{ kind: "closed"; by: App; code: number | null }>
  );

export type Conversation = Readonly<{
  /** "0.1.0/version-2-growth.agent link 1": whose recording, and which connection of it. */
  name: string;
  recordedBy: App;
  /** Whether the other side knows the protocol: "nonsense" is what a recording is called where it does not. */
  isWithAFool: boolean;
  moments: readonly Moment[];
}>;

/** Every file of every release, as text. */
export function recordedFiles(): readonly Readonly<{ name: string; text: string }>[] {
  return readdirSync(import.meta.dirname)
    .map((release) => ({ release, folder: join(import.meta.dirname, release, "conversations") }))
    .filter(({ folder }) => existsSync(folder))
    .flatMap(({ release, folder }) =>
      readdirSync(folder)
        .filter((file) => file.endsWith(".jsonl"))
        .sort()
        .map((file) => ({
          name: `${release}/${file.slice(0, -".jsonl".length)}`,
          text: readFileSync(join(folder, file), "utf8"),
        })),
    );
}

/** The connections in one file, in the order in which they began. */
export function conversationsIn(name: string, text: string): readonly Conversation[] {
  return readRecordings(text).flatMap(({ header: { app }, events }) => {
    const links = new Map<string, Moment[]>();
    for (const event of events) {
      if (!isLinkEvent(event)) throw new Error(`${name} has a hole: it is no good as a fixture`);
      const link = `${event.vm ?? ""} link ${event.link}`.trim();
      const moments = links.get(link) ?? [];
      links.set(link, [...moments, momentOf(app, event)]);
    }
    return [...links].map(([link, moments]) => ({
      name: `${name} ${link}`,
      recordedBy: app,
      isWithAFool: name.includes("/nonsense"),
      moments,
    }));
  });
}

function momentOf(app: App, event: Readonly<{ atMs: number }> & LinkEvent): Moment {
  const { atMs } = event;
  const other = app === "agent" ? "monitor" : "agent";
  switch (event.kind) {
    case "opened":
      return { atMs, kind: "opened" };
    case "frame":
      return { atMs, kind: "frame", from: event.way === "out" ? app : other, text: event.text };
    case "closed":
      return { atMs, kind: "closed", by: event.by === "us" ? app : other, code: event.code };
    default:
      return event satisfies never;
  }
}
