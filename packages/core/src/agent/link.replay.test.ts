// Today's agent hears what monitors of each release said to agents of then. Its requests go out when they did then; it must
// understand every frame that was understood, and neither complain nor hang up where nobody did.
import fs from "node:fs";
import path from "node:path";
import {
  decodeFromAgent,
  decodeRange,
  sizeFromAllocation,
  type FromAgent,
} from "@selfscale/protocol";
import { describe, expect, test } from "vitest";
import { ask, tell } from "./ask.ts";
import { LINK_DOWN, type Link } from "./link-state.ts";
import { linkWakeAt, openLink, receiveFrame, tickLink } from "./link.ts";
import { type LinkStep } from "./link.ts";
import { AGENT_TIMERS, type AgentTimers } from "./timers.ts";
import { type VmAction } from "./types.ts";

const FOLDER = path.join(import.meta.dirname, "../../../../test-e2e/compat");
/** Health checks are asked when they were then, not when today's agent would. */
const TIMERS: AgentTimers = { ...AGENT_TIMERS, healthCheckMs: Infinity };

/** A line of a recording, as far as it matters here; docs/recording.md has the format. */
type Line = Readonly<
  Partial<{ kind: string; app: string; vm: string; link: number; atMs: number }> &
    Partial<{ way: "in" | "out"; text: string; by: "us" | "peer"; code: number | null }>
>;
type Talk = Readonly<{ name: string; app: string; lines: readonly Line[] }>;

/** Connections with an agent of ours: where a monitor was fooled, the agent was a false one. */
function talksIn(name: string, text: string): readonly Talk[] {
  const lines = text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Line);
  const app = lines[0]?.app ?? "";
  if (name.includes("nonsense") && app === "monitor") return [];
  const links = new Set(lines.flatMap((line) => (line.link === undefined ? [] : [line.link])));
  return [...links].map((link) => ({
    name: `${name} link ${link}`,
    app,
    lines: lines.filter((line) => line.link === link),
  }));
}

const files = fs
  .readdirSync(FOLDER, { recursive: true, encoding: "utf8" })
  .filter((name) => /conversations[/][^/]+[.]jsonl$/.test(name))
  .sort()
  .map((name) => ({ name, text: fs.readFileSync(path.join(FOLDER, name), "utf8") }));
const talks = files.flatMap(({ name, text }) => talksIn(name, text));

/** What the link did, in the order of the frames that it heard: complaints by number, and hanging up. */
class Replay {
  readonly done: string[] = [];
  #link: Link = LINK_DOWN;
  /** Numbers of then to numbers of today, for the agent's own. */
  readonly #ids = new Map<number, number>();

  pass(now: number): void {
    for (let at = linkWakeAt(this.#link, TIMERS); at !== null && at <= now;) {
      this.#take(tickLink(this.#link, at, TIMERS));
      const next = linkWakeAt(this.#link, TIMERS);
      at = next === at ? null : next;
    }
  }

  /** The agent of then said this; today's says it too, under a number of its own. */
  say(text: string, now: number): void {
    if (this.#link.kind === "down") {
      const range = decodeRange(text);
      if (range.ok) this.#take(openLink(1, range.message, now, TIMERS));
      return;
    }
    const decoded = decodeFromAgent(text);
    if (!decoded.ok || this.#link.kind !== "up") return;
    const { message } = decoded;
    const link = this.#link;
    if (message.type === "SizeReport") {
      this.#link = tell(link, (id): FromAgent => ({ ...message, id })).link;
    }
    const request = requestOf(message);
    if (request === null) return;
    const asked = ask(link, request, now);
    this.#link = asked.link;
    this.#ids.set(message.id, asked.id);
  }

  hear(text: string, now: number): void {
    this.#take(receiveFrame(this.#link, this.#aligned(text), now, TIMERS));
  }

  #aligned(text: string): string {
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch {
      return text; // nonsense is part of what was recorded
    }
    const { id } = Object(json) as { id?: unknown };
    const today = typeof id === "number" ? this.#ids.get(id) : undefined;
    return today === undefined || today === id
      ? text
      : JSON.stringify({ ...Object(json), id: today });
  }

  #take({ link, actions }: LinkStep): void {
    this.#link = link;
    for (const action of actions) this.#note(action);
  }

  #note(action: VmAction): void {
    if (action.kind === "close-link") this.done.push(`hangs up with ${action.code}`);
    if (action.kind !== "send-frame") return;
    const { type } = JSON.parse(action.text) as { type?: string };
    if (type === "InvalidMessage") this.done.push("complains");
  }
}

function requestOf(message: FromAgent): Parameters<typeof ask>[1] | null {
  switch (message.type) {
    case "HealthCheck":
      return { type: "HealthCheck", content: {} };
    case "UpscaleNotification":
      return { type: message.type, granted: sizeFromAllocation(message.content.granted) };
    case "DownscaleRequest":
      return { type: message.type, target: sizeFromAllocation(message.content.target) };
    default:
      return null;
  }
}

const OWN_CLOSES = new Set([1002, 1008]);

function replayed({ app, lines }: Talk): Readonly<{ then: string[]; today: string[] }> {
  const then: string[] = [];
  const replay = new Replay();
  for (const { kind, way, by, code, text = "", atMs = 0 } of lines) {
    replay.pass(atMs);
    const isAgents = (way === "out") === (app === "agent");
    if (kind === "frame" && isAgents) {
      if (text.includes('"type":"InvalidMessage"')) then.push("complains");
      replay.say(text, atMs);
    } else if (kind === "frame") replay.hear(text, atMs);
    else if (kind === "closed" && (by === "us") === (app === "agent")) {
      // What the link itself ends, as opposed to the operator or the machine around it.
      if (typeof code === "number" && OWN_CLOSES.has(code)) then.push(`hangs up with ${code}`);
    }
  }
  return { then, today: replay.done };
}

describe("today's agent understands the monitors of then", () => {
  test.for(talks)("$name", (talk) => {
    const { then, today } = replayed(talk);
    expect(today).toEqual(then);
  });
});

/** A replay that could not fail would prove nothing. */
test.for(["target", "Ok", "type", "version"])("a renamed field is noticed: %s", (field) => {
  const isSpoken = ({ name }: { name: string }) => name.endsWith("version-2-growth.agent.jsonl");
  const [file] = files.filter(isSpoken);
  const lines = (file?.text ?? "").split("\n");
  const fromMonitor = lines.filter((line) => line.includes('"way":"in"'));
  const renamed = lines.map((line) =>
    fromMonitor.includes(line) ? line.replace(`\\"${field}\\"`, `\\"${field}Then\\"`) : line,
  );
  const differences = talksIn("renamed", renamed.join("\n")).filter((talk) => {
    const { then, today } = replayed(talk);
    return then.join() !== today.join();
  });
  expect(differences).not.toEqual([]);
});
