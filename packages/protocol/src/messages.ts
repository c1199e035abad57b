// Every frame either side may send, as a reader takes it: unknown fields are dropped, next
// year's words are mapped, and anything else that is wrong is the peer's mistake. What a writer
// may send is narrower: encode.ts. Optional fields are absent, never null: a null is a wrong
// type. zod/mini, because this runs in small guests: it saves 65 kB of bundle and 4 MB of memory
// over zod.
import * as z from "zod/mini";
import { Allocation } from "./allocation.ts";
import { isAgentReason, isOutcome, isScaleReason, readOutcome } from "./reasons.ts";

/**
 * Odd when minted by the monitor, even when minted by the agent, so ids never collide; both restart
 * per connection. Deployed peers carry it through a float, hence exact to 2^53 only.
 */
const MessageId = z.int().check(z.nonnegative());

/** A size as its sender wrote it, not yet believed: any finite numbers. See `checkTarget`. */
const RawAllocation = z.object({ cpu: z.number(), mem: z.number() });

const ReasonOfMonitor = z.pipe(
  z.string(),
  z.transform((word) => (isScaleReason(word) ? word : "other")),
);
const ReasonOfAgent = z.pipe(
  z.string(),
  z.transform((word) => (isAgentReason(word) ? word : "other")),
);

/** Milliseconds, not necessarily whole. */
const DurationMs = z.number().check(z.nonnegative());

// --- monitor → agent, flat: {"type":"T", …fields, "id":3} ---

/** Since v1. "I am running out": an edge. How much more to give is the agent's choice. */
const UpscaleRequest = z.object({ type: z.literal("UpscaleRequest"), id: MessageId });

/** Since v1. The reply to UpscaleNotification. */
const UpscaleConfirmation = z.object({ type: z.literal("UpscaleConfirmation"), id: MessageId });

/** Since v1. The reply to the agent's HealthCheck. */
const HealthReply = z.object({ type: z.literal("HealthCheck"), id: MessageId });

/** Since v1; `reason` and `lowest` since v2. `Ok: false` is a refusal, not an error. */
const DownscaleResult = z.object({
  type: z.literal("DownscaleResult"),
  Ok: z.boolean(),
  Status: z.string(), // for people
  reason: z.exactOptional(ReasonOfMonitor),
  lowest: z.exactOptional(Allocation), // what it would agree to now
  id: MessageId,
});

/** Since v2. "This is the size I want": a level. Idempotent; re-sent until it is met. */
const ScaleRequest = z.object({
  type: z.literal("ScaleRequest"),
  target: RawAllocation, // out of range is answered `refused`, not InvalidMessage
  reason: z.exactOptional(ReasonOfMonitor),
  floor: z.exactOptional(RawAllocation), // the part of target that is reserved; 0 is none of it
  ageMs: z.exactOptional(DurationMs), // age of the sample that shows the need
  id: MessageId,
});

/**
 * How every known monitor begins one, so that one of many can be recognised without being parsed.
 * A frame that begins otherwise may still be one.
 */
export const SCALE_REQUEST_START = '{"type":"ScaleRequest",';

/** Since v1. "You sent nonsense". Never answered. `id` is the nonsense's, 0 when it had none. */
const InvalidMessage = z.object({
  type: z.literal("InvalidMessage"),
  error: z.string(),
  id: MessageId,
});

/** Since v1. "I failed". Never answered. */
const InternalError = z.object({
  type: z.literal("InternalError"),
  error: z.string(),
  id: MessageId,
});

/** Every frame a monitor may send. */
export const FromMonitor = z.discriminatedUnion("type", [
  UpscaleRequest,
  UpscaleConfirmation,
  HealthReply,
  DownscaleResult,
  ScaleRequest,
  InvalidMessage,
  InternalError,
]);
export type FromMonitor = z.infer<typeof FromMonitor>;

// --- agent → monitor, wrapped: {"content":{…},"type":"T","id":2}; `content` is required, even
// empty ---

/** Since v1. Every 5 s. */
const HealthCheck = z.object({
  type: z.literal("HealthCheck"),
  content: z.object({}),
  id: MessageId,
});

/** Since v1. The VM **has** this now. */
const UpscaleNotification = z.object({
  type: z.literal("UpscaleNotification"),
  content: z.object({ granted: Allocation }),
  id: MessageId,
});

/** Since v1. May I shrink you to this? */
const DownscaleRequest = z.object({
  type: z.literal("DownscaleRequest"),
  content: z.object({ target: Allocation }),
  id: MessageId,
});

const WrappedInvalidMessage = z.object({
  type: z.literal("InvalidMessage"),
  content: z.object({ error: z.string() }),
  id: MessageId,
});

const WrappedInternalError = z.object({
  type: z.literal("InternalError"),
  content: z.object({ error: z.string() }),
  id: MessageId,
});

const ResourceOutcome = z.object({
  outcome: z.string(),
  reason: z.exactOptional(ReasonOfAgent),
});

const ScaleAnswer = z.pipe(
  z.object({
    outcome: z.string(), // the worst of both resources
    resources: z.object({ cpu: ResourceOutcome, mem: ResourceOutcome }),
    permit: Allocation, // what it may have at once
    etaMs: z.exactOptional(DurationMs), // an honest estimate, or absent
  }),
  z.transform(({ outcome, resources: { cpu, mem }, permit, etaMs }) => {
    // An outcome from next year is "accepted" without promise, so its estimate is not passed on.
    const isPromise = [outcome, cpu.outcome, mem.outcome].every(isOutcome);
    return {
      outcome: readOutcome(outcome),
      resources: {
        cpu: { ...cpu, outcome: readOutcome(cpu.outcome) },
        mem: { ...mem, outcome: readOutcome(mem.outcome) },
      },
      permit,
      ...(isPromise && etaMs !== undefined ? { etaMs } : {}),
    };
  }),
);

/** Since v2. The reply to ScaleRequest. */
const ScaleResponse = z.object({
  type: z.literal("ScaleResponse"),
  content: ScaleAnswer,
  id: MessageId,
});

/**
 * Since v2. Where the VM stands; first thing after the handshake, then on change and every 30 s.
 */
const SizeReport = z.object({
  type: z.literal("SizeReport"),
  content: z.object({
    actual: Allocation,
    requested: Allocation,
    permit: Allocation,
    bounds: z.object({ min: Allocation, max: Allocation }),
    step: Allocation, // granularity; mem 1 where memory is fixed: any size is its own cell
    reason: z.exactOptional(ReasonOfAgent),
    cpuUsed: z.exactOptional(z.number().check(z.nonnegative())), // vCPUs, as the node sees it
    throttledShare: z.exactOptional(z.number().check(z.minimum(0), z.maximum(1))), // of periods
  }),
  id: MessageId,
});

/** Every frame an agent may send. */
export const FromAgent = z.discriminatedUnion("type", [
  HealthCheck,
  UpscaleNotification,
  DownscaleRequest,
  WrappedInvalidMessage,
  WrappedInternalError,
  ScaleResponse,
  SizeReport,
]);
export type FromAgent = z.infer<typeof FromAgent>;

/**
 * The version that brought each type. A deployed monitor drops the link on one that it does not
 * know.
 */
const SINCE_VERSION = {
  UpscaleRequest: 1,
  UpscaleConfirmation: 1,
  UpscaleNotification: 1,
  HealthCheck: 1,
  DownscaleRequest: 1,
  DownscaleResult: 1,
  InvalidMessage: 1,
  InternalError: 1,
  ScaleRequest: 2,
  ScaleResponse: 2,
  SizeReport: 2,
} as const satisfies Record<FromMonitor["type"] | FromAgent["type"], number>;

/** True if a peer that negotiated `version` knows this type. */
export function isSpoken(type: FromMonitor["type"] | FromAgent["type"], version: number): boolean {
  return version >= SINCE_VERSION[type];
}
