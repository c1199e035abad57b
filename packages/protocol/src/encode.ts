// From a typed message to its frame. Strict: what a deployed peer would refuse, or what is no
// size, is our mistake and throws. Key order is that of the golden frames; every object below is
// written in wire order.
import { type Allocation } from "./allocation.ts";
import { assert } from "./assert.ts";
import { MAX_CPU, MAX_FRAME_BYTES } from "./limits.ts";
import { type FromAgent, type FromMonitor } from "./messages.ts";
import { isAgentReason, isOutcome, isScaleReason, type Outcome } from "./reasons.ts";
import { isLongerThan, wellFormed } from "./text.ts";

/** Flat, without a newline. Throws on a message that must not be sent. */
export function encodeFromMonitor(message: FromMonitor): string {
  return frame(flat(message));
}

/** Wrapped, without a newline. Throws on a message that must not be sent. */
export function encodeFromAgent(message: FromAgent): string {
  return frame({
    content: content(message),
    type: message.type,
    id: messageId(message.id),
  });
}

/** JSON within the size limit. Absent (undefined) fields leave no trace. */
export function frame(json: object): string {
  const text = JSON.stringify(json);
  assert(!isLongerThan(text, MAX_FRAME_BYTES), `a frame has at most ${MAX_FRAME_BYTES} bytes`);
  return text;
}

function flat(message: FromMonitor): object {
  const { type } = message;
  const id = messageId(message.id);
  switch (type) {
    case "UpscaleRequest":
    case "UpscaleConfirmation":
    case "HealthCheck":
      return { type, id };
    case "DownscaleResult":
      return {
        type,
        Ok: flag(message.Ok),
        Status: prose(message.Status),
        reason: optional(message.reason, scaleReason),
        lowest: optional(message.lowest, allocation),
        id,
      };
    case "ScaleRequest":
      return {
        type,
        target: allocation(message.target),
        reason: optional(message.reason, scaleReason),
        floor: optional(message.floor, amounts),
        ageMs: optional(message.ageMs, nonNegative),
        id,
      };
    case "InvalidMessage":
    case "InternalError":
      return { type, error: prose(message.error), id };
    default:
      return message satisfies never;
  }
}

function content(message: FromAgent): object {
  switch (message.type) {
    case "HealthCheck":
      return {};
    case "UpscaleNotification":
      return { granted: allocation(message.content.granted) };
    case "DownscaleRequest":
      return { target: allocation(message.content.target) };
    case "InvalidMessage":
    case "InternalError":
      return { error: prose(message.content.error) };
    case "ScaleResponse":
      return scaleResponse(message.content);
    case "SizeReport":
      return sizeReport(message.content);
    default:
      return message satisfies never;
  }
}

type ContentOf<Type extends FromAgent["type"]> = Extract<FromAgent, { type: Type }>["content"];

function scaleResponse(answer: ContentOf<"ScaleResponse">): object {
  const resource = (one: (typeof answer.resources)["cpu"]) => ({
    outcome: outcome(one.outcome),
    reason: optional(one.reason, agentReason),
  });
  return {
    outcome: outcome(answer.outcome),
    resources: { cpu: resource(answer.resources.cpu), mem: resource(answer.resources.mem) },
    permit: allocation(answer.permit),
    etaMs: optional(answer.etaMs, nonNegative),
  };
}

function sizeReport(report: ContentOf<"SizeReport">): object {
  return {
    actual: allocation(report.actual),
    requested: allocation(report.requested),
    permit: allocation(report.permit),
    bounds: { min: allocation(report.bounds.min), max: allocation(report.bounds.max) },
    step: allocation(report.step),
    reason: optional(report.reason, agentReason),
    cpuUsed: optional(report.cpuUsed, nonNegative),
    throttledShare: optional(report.throttledShare, share),
  };
}

/** A size that exists: both parts positive. */
function allocation(size: Allocation): Allocation {
  assert(size.mem > 0, "mem is positive");
  return { cpu: cpu(size.cpu), mem: bytes(size.mem) };
}

/** Part of a size: either may be 0. */
function amounts(part: Allocation): Allocation {
  return { cpu: part.cpu === 0 ? 0 : cpu(part.cpu), mem: bytes(part.mem) };
}

function cpu(value: number): number {
  assert(Number.isFinite(value) && value > 0 && value <= MAX_CPU, `cpu is within 0 and ${MAX_CPU}`);
  return value;
}

/**
 * Deployed monitors take integer literals only; a safe integer is never printed as anything
 * else.
 */
function bytes(value: number): number {
  assert(Number.isSafeInteger(value) && value >= 0, "mem is an integer of 0 … 2^53-1");
  return value;
}

function messageId(value: number): number {
  assert(Number.isSafeInteger(value) && value >= 0, "id is an integer of 0 … 2^53-1");
  return value;
}

function nonNegative(value: number): number {
  assert(Number.isFinite(value) && value >= 0, "a duration or amount is finite and not negative");
  return value;
}

function share(value: number): number {
  assert(Number.isFinite(value) && value >= 0 && value <= 1, "a share is within 0 and 1");
  return value;
}

function flag(value: boolean): boolean {
  assert(typeof value === "boolean", "Ok is a boolean");
  return value;
}

function prose(text: string): string {
  assert(typeof text === "string", "error and Status are strings");
  return wellFormed(text);
}

function scaleReason(word: string): string {
  assert(isScaleReason(word), "a monitor's reason is one of SCALE_REASONS");
  return word;
}

function agentReason(word: string): string {
  assert(isAgentReason(word), "an agent's reason is one of AGENT_REASONS");
  return word;
}

function outcome(word: Outcome): Outcome {
  assert(isOutcome(word), "an outcome is one of OUTCOMES");
  return word;
}

function optional<In, Out>(value: In | undefined, check: (value: In) => Out): Out | undefined {
  return value === undefined ? undefined : check(value);
}
