// What a single frame must look like, once a version is agreed.
import {
  isAgentReason,
  isOutcome,
  isScaleReason,
  isSpoken,
  MAX_CPU,
  MAX_FRAME_BYTES,
  OUTCOMES,
  utf8Bytes,
  type FromAgent,
} from "@selfscale/protocol";
import { type RuleId, type Side } from "./rules.ts";
import { brief, type Agreed, type Heard, type Talk } from "./talk.ts";

/** Numbers that deployed peers take as integer literals only. Keys inside strings are escaped, so they don't match. */
const INTEGER_FIELD = /(?<!\\)"(?:mem|id|min|max|version)"\s*:\s*(-?[\d.eE+-]+)/g;

export function hearForm(heard: Heard, talk: Talk, agreed: Agreed): void {
  const { from, text, atMs, json } = heard;
  const judge = (rule: string, holds: boolean, why: string) =>
    talk.judge(ruleOf(from, rule), atMs, holds, why);
  const bytes = utf8Bytes(text);
  judge("size", bytes <= MAX_FRAME_BYTES, `a frame of ${bytes} bytes`);
  judge("envelope", from === "agent" ? isWrapped(json) : isFlat(json), brief(text));
  judge("numbers", areIntegers(text), brief(text));
  const message = heard.agent ?? heard.monitor;
  judge("known", message !== null, brief(text));
  if (message === null) return;
  const isReport = message.type === "SizeReport" && !agreed.features.includes("size-report");
  const isProbe = message.type === "ScaleRequest" && agreed.version === 1; // judged by id-rules.ts
  const isAllowed = isSpoken(message.type, agreed.version) && !isReport;
  judge("negotiated", isAllowed || isProbe, `${message.type} on version ${agreed.version}`);
  judge("words", areWords(heard), brief(text));
  if (heard.agent?.type === "ScaleResponse") hearOutcome(heard, talk, json);
  if (heard.agent?.type === "SizeReport") hearBounds(heard.agent, heard, talk);
  if (heard.monitor?.type === "ScaleRequest") {
    const { cpu, mem } = heard.monitor.target;
    talk.judge("monitor/target", atMs, cpu > 0 && cpu <= MAX_CPU && mem > 0, brief(text));
  }
}

export function ruleOf(from: Side, rule: string): RuleId {
  return `${from}/${rule}` as RuleId;
}

function isWrapped(json: Heard["json"]): boolean {
  if (json === null) return false;
  const [first, second, third] = Object.keys(json);
  return first === "content" && second === "type" && third === "id" && isObject(json.content);
}

function isFlat(json: Heard["json"]): boolean {
  return json !== null && typeof json.type === "string" && "id" in json && !("content" in json);
}

function areIntegers(text: string): boolean {
  return [...text.matchAll(INTEGER_FIELD)].every(([, literal = ""]) => /^\d+$/.test(literal));
}

/** Words as they were written: the decoder has mapped those it does not know. */
function areWords({ json, from }: Heard): boolean {
  const isKnown = from === "agent" ? isAgentReason : isScaleReason;
  return reasonsIn(json).every((reason) => typeof reason === "string" && isKnown(reason));
}

/** Every `reason`, wherever the protocol has one. */
function reasonsIn(json: Heard["json"]): unknown[] {
  const content = isObject(json?.content) ? json.content : {};
  const resources = isObject(content.resources) ? content.resources : {};
  return [json ?? {}, content, resources.cpu, resources.mem].flatMap((place) =>
    isObject(place) && "reason" in place ? [place.reason] : [],
  );
}

function hearOutcome({ atMs, text }: Heard, talk: Talk, json: Heard["json"]): void {
  const content = isObject(json?.content) ? json.content : {};
  const resources = isObject(content.resources) ? content.resources : {};
  const outcomes = [resources.cpu, resources.mem].map((one) =>
    isObject(one) ? one.outcome : null,
  );
  const words = [content.outcome, ...outcomes];
  const areKnown = words.every((word) => typeof word === "string" && isOutcome(word));
  talk.judge("agent/words", atMs, areKnown, brief(text));
  const rank = (word: unknown) => OUTCOMES.findIndex((outcome) => outcome === word);
  const worst = Math.max(...outcomes.map(rank));
  talk.judge("agent/worst-outcome", atMs, rank(content.outcome) === worst, brief(text));
}

function hearBounds(
  report: FromAgent & { type: "SizeReport" },
  { atMs, text }: Heard,
  talk: Talk,
): void {
  const { min, max } = report.content.bounds;
  talk.judge("agent/report-sense", atMs, min.cpu <= max.cpu && min.mem <= max.mem, brief(text));
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
