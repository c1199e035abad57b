// What all rules share: the frames, what the handshake agreed, and the verdicts.
import {
  decodeFromAgent,
  decodeFromMonitor,
  decodeRange,
  type FromAgent,
  type FromMonitor,
  type VersionRange,
} from "@selfscale/protocol";
import { type RuleId, type Side } from "./rules.ts";

/** One frame, as somebody between the two saw it. `atMs` is monotonic. */
export type Said = Readonly<{ atMs: number; from: Side; text: string }>;

/** A rule that was broken, and how, for people. */
export type Violation = Readonly<{ rule: RuleId; atMs: number; why: string }>;

/** A frame and what it means; null where it means nothing. */
export type Heard = Said &
  Readonly<{
    json: Readonly<Record<string, unknown>> | null;
    agent: FromAgent | null;
    monitor: FromMonitor | null;
  }>;

/** The handshake's outcome. */
export type Agreed = Readonly<{ version: number; features: readonly string[]; atMs: number }>;

/** Keeps the book of one connection: what is agreed, what was judged, what was broken. */
export class Talk {
  readonly violations: Violation[] = [];
  /** How often each rule could be judged. A rule that never could says nothing about the peer. */
  readonly judged = new Map<RuleId, number>();
  hasAgentSpoken = false;
  /** What it offered; null: nothing that a monitor could take. */
  range: VersionRange | null = null;
  agreed: Agreed | null = null;
  /** When the agent first spoke after the handshake. */
  agentSpokeAtMs: number | null = null;

  judge(rule: RuleId, atMs: number, holds: boolean, otherwise: string): void {
    this.judged.set(rule, (this.judged.get(rule) ?? 0) + 1);
    if (!holds) this.violations.push({ rule, atMs, why: otherwise });
  }
}

export function read({ atMs, from, text }: Said): Heard {
  const agent = from === "agent" ? decodeFromAgent(text) : null;
  const monitor = from === "monitor" ? decodeFromMonitor(text) : null;
  return {
    ...{ atMs, from, text },
    json: readJson(text),
    agent: agent?.ok === true ? agent.message : null,
    monitor: monitor?.ok === true ? monitor.message : null,
  };
}

/** A range that a monitor could answer, or null. */
export function readRange(text: string): VersionRange | null {
  const decoded = decodeRange(text);
  return decoded.ok ? decoded.message : null;
}

function readJson(text: string): Heard["json"] {
  try {
    const json: unknown = JSON.parse(text);
    const isObject = typeof json === "object" && json !== null && !Array.isArray(json);
    return isObject ? (json as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

/** A frame as a report shows it. */
export function brief(text: string): string {
  const line = text.trim();
  return line.length > 200 ? `${line.slice(0, 200)}…` : line;
}
