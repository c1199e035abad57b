// The first two frames.
import { sharedFeatures } from "@selfscale/protocol";
import { brief, readRange, type Heard, type Talk } from "./talk.ts";

/** True when the frame belonged to the handshake, or came before it could. */
export function hearHandshake(heard: Heard, talk: Talk): boolean {
  if (talk.agreed !== null) return false;
  if (heard.from === "agent") hearRange(heard, talk);
  else hearReply(heard, talk);
  return true;
}

function hearRange({ text, json, atMs }: Heard, talk: Talk): void {
  talk.hasAgentSpoken = true;
  if (talk.range !== null) return; // an agent that does not wait for its answer: nothing is agreed yet
  const { min, max } = json ?? {};
  const isLegal = (min === 0 || min === 1) && isByte(max) && Number(max) >= min;
  talk.judge("agent/range", atMs, isLegal, `the first frame is ${brief(text)}`);
  talk.range = readRange(text);
}

function hearReply({ text, json, atMs }: Heard, talk: Talk): void {
  const { range } = talk;
  talk.judge("monitor/waits", atMs, talk.hasAgentSpoken, `it spoke first: ${brief(text)}`);
  if (!talk.hasAgentSpoken) return;
  const version = json?.version;
  const isRefusal = typeof json?.error === "string";
  const isWithin =
    range !== null &&
    Number.isInteger(version) &&
    Number(version) >= range.min &&
    Number(version) <= range.max;
  talk.judge("monitor/reply", atMs, isRefusal || isWithin, `it answered ${brief(text)}`);
  if (range === null || isRefusal || !isWithin) return;
  const theirs = Array.isArray(json?.features)
    ? json.features.filter((name) => typeof name === "string")
    : [];
  talk.agreed = {
    version: Number(version),
    features: sharedFeatures(range.features, theirs),
    atMs,
  };
}

function isByte(value: unknown): boolean {
  return Number.isInteger(value) && Number(value) >= 1 && Number(value) <= 255;
}
