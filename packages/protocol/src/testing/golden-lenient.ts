// What the lenient golden frames are taken for, by folder and file name: frames that our encoder never writes and our
// decoder takes, because deployed peers or next year's write them. Messages are in wire order here.
import { type HandshakeReply, type VersionRange } from "../handshake.ts";
import { type FromAgent, type FromMonitor } from "../messages.ts";
import { type Folder } from "./golden.ts";

type Message = FromAgent | FromMonitor | VersionRange | HandshakeReply;
/** `rewritten`: what our encoder makes of it; null: it would never write that, and throws. */
export type Reading = Readonly<{ message: Message; rewritten: string | null }>;
type Readings = Readonly<Record<string, Reading>>;

const as = (message: Message): Reading => ({ message, rewritten: JSON.stringify(message) });
const only = (message: Message): Reading => ({ message, rewritten: null });

const GIB = 1024 ** 3;
const SIZE = { cpu: 1, mem: GIB };
const HEALTH_CHECK: FromAgent = { content: {}, type: "HealthCheck", id: 2 };
const granted = (cpu: number, mem: number): FromAgent => ({
  content: { granted: { cpu, mem } },
  type: "UpscaleNotification",
  id: 6,
});
const target = (cpu: number): FromAgent => ({
  content: { target: { cpu, mem: GIB } },
  type: "DownscaleRequest",
  id: 4,
});

const FROM_AGENT_V1: Readings = {
  // The deployed agent ends its frames with a newline.
  "health-check-newline": as(HEALTH_CHECK),
  "upscale-notification-newline": as(granted(1, GIB)),
  "downscale-request-newline": as(target(1)),
  "invalid-message-newline": as({ content: { error: "nope" }, type: "InvalidMessage", id: 3 }),
  "health-check-spaced": as(HEALTH_CHECK),
  "health-check-other-order": as(HEALTH_CHECK),
  "health-check-unknown-fields": as(HEALTH_CHECK),
  "health-check-largest": as(HEALTH_CHECK), // 32 768 bytes
  "health-check-id-decimal": as(HEALTH_CHECK),
  "health-check-id-exponent": as(HEALTH_CHECK),
  "health-check-id-twice": as({ content: {}, type: "HealthCheck", id: 4 }),
  "upscale-notification-mem-decimal": as(granted(1, GIB)),
  "upscale-notification-mem-exponent": as(granted(1, 1e9)),
  "upscale-notification-cpu-decimal": as(granted(1, GIB)),
  "upscale-notification-unknown-fields": as(granted(1, GIB)),
  "downscale-request-cpu-exponent": as(target(0.25)),
  "invalid-message-escaped": as({ content: { error: "<a> & A" }, type: "InvalidMessage", id: 3 }),
  // The deployed monitor refuses lone surrogates: ours leave as their replacement.
  "internal-error-lone-surrogate": {
    message: { content: { error: "\ud800" }, type: "InternalError", id: 3 },
    rewritten: '{"content":{"error":"\ufffd"},"type":"InternalError","id":3}',
  },
};

const ACCEPTED: FromAgent & { type: "ScaleResponse" } = {
  content: {
    outcome: "accepted",
    resources: { cpu: { outcome: "accepted" }, mem: { outcome: "accepted" } },
    permit: SIZE,
  },
  type: "ScaleResponse",
  id: 3,
};
const REPORT = {
  actual: SIZE,
  requested: SIZE,
  permit: SIZE,
  bounds: { min: SIZE, max: SIZE },
  step: SIZE,
};

const FROM_AGENT_V2: Readings = {
  ...FROM_AGENT_V1,
  // Accepted without promise: its etaMs is dropped.
  "scale-response-unknown-outcome": as(ACCEPTED),
  "scale-response-unknown-fields": as(ACCEPTED),
  "scale-response-unknown-reason": only({
    content: {
      ...ACCEPTED.content,
      resources: { cpu: { outcome: "accepted", reason: "other" }, mem: { outcome: "accepted" } },
    },
    type: "ScaleResponse",
    id: 3,
  }),
  "size-report-newline": as({ content: REPORT, type: "SizeReport", id: 8 }),
  "size-report-unknown-fields": as({ content: REPORT, type: "SizeReport", id: 8 }),
  "size-report-numbers": as({
    content: { ...REPORT, cpuUsed: 1, throttledShare: 1 },
    type: "SizeReport",
    id: 8,
  }),
  "size-report-unknown-reason": only({
    content: { ...REPORT, reason: "other" },
    type: "SizeReport",
    id: 8,
  }),
  "size-report-inherited-reason": only({
    content: { ...REPORT, reason: "other" },
    type: "SizeReport",
    id: 8,
  }),
};

const HEALTH_REPLY: FromMonitor = { type: "HealthCheck", id: 2 };
const REFUSED: FromMonitor = { type: "DownscaleResult", Ok: false, Status: "no", id: 4 };

const FROM_MONITOR_V1: Readings = {
  "health-check-newline": as(HEALTH_REPLY),
  "health-check-wrapped": as(HEALTH_REPLY),
  "health-check-largest": as(HEALTH_REPLY),
  "health-check-id-twice": as({ type: "HealthCheck", id: 4 }),
  "health-check-other-order": as(HEALTH_REPLY),
  "health-check-unknown-fields": as(HEALTH_REPLY),
  "upscale-request-id-decimal": as({ type: "UpscaleRequest", id: 3 }),
  "upscale-request-with-an-amount": as({ type: "UpscaleRequest", id: 3 }),
  "upscale-confirmation-spaced": as({ type: "UpscaleConfirmation", id: 6 }),
  // Deployed agents read these names in any case, so a monitor may write them so.
  "downscale-result-lower-case": as(REFUSED),
  "downscale-result-both-cases": as(REFUSED),
  "invalid-message-escaped": as({ type: "InvalidMessage", error: "<a> & A", id: 4 }),
  "internal-error-newline": as({ type: "InternalError", error: "failed", id: 4 }),
};

const REFUSED_UP_TO: FromMonitor = {
  type: "DownscaleResult",
  Ok: false,
  Status: "no",
  lowest: SIZE,
  id: 4,
};
const WISH: FromMonitor = { type: "ScaleRequest", target: SIZE, id: 3 };
const wish = (cpu: number, mem: number): FromMonitor => ({
  type: "ScaleRequest",
  target: { cpu, mem },
  id: 3,
});

const FROM_MONITOR_V2: Readings = {
  ...FROM_MONITOR_V1,
  "downscale-result-unknown-fields": as(REFUSED_UP_TO),
  "downscale-result-lowest-decimal": as(REFUSED_UP_TO),
  "downscale-result-unknown-reason": only({
    type: "DownscaleResult",
    Ok: false,
    Status: "no",
    reason: "other",
    id: 4,
  }),
  "scale-request-newline": as(WISH),
  "scale-request-unknown-fields": as(WISH),
  "scale-request-numbers": as({
    type: "ScaleRequest",
    target: { cpu: 1.5, mem: GIB },
    ageMs: 10,
    id: 3,
  }),
  "scale-request-unknown-reason": only({
    type: "ScaleRequest",
    target: SIZE,
    reason: "other",
    id: 3,
  }),
  "scale-request-inherited-reason": only({
    type: "ScaleRequest",
    target: SIZE,
    reason: "other",
    id: 3,
  }),
  // No size that anybody could have: read, so that it can be answered `refused`.
  "scale-request-zero": only(wish(0, 0)),
  "scale-request-negative": only(wish(-1, -GIB)),
  "scale-request-too-large": only(wish(1025, 2 ** 60)),
  "scale-request-mem-fraction": only(wish(1, 0.5)),
  "scale-request-floor-negative": only({
    type: "ScaleRequest",
    target: SIZE,
    floor: { cpu: -1, mem: 0 },
    id: 3,
  }),
};

const HANDSHAKE_V1: Readings = {
  "range-newline": as({ min: 1, max: 1 }),
  "range-decimal": as({ min: 1, max: 1 }),
  "range-unknown-fields": as({ min: 1, max: 2 }),
  // Read, and shared with nobody or all; never offered, because no deployed monitor survives it.
  "range-only-0": only({ min: 0, max: 0 }),
  "range-from-2": only({ min: 2, max: 3 }),
  "range-beyond-a-byte": only({ min: 1, max: 300 }),
  "reply-newline": as({ version: 1 }),
  "reply-decimal": as({ version: 1 }),
  "reply-unknown-fields": as({ version: 1 }),
  "reply-error-null": as({ version: 1 }),
  "reply-version-and-error": as({ error: "no" }),
};

const HANDSHAKE_V2: Readings = {
  ...HANDSHAKE_V1,
  "range-foreign-features": as({ min: 1, max: 2, features: ["size-report", "full-moon"] }),
  "range-33-features": as({
    min: 1,
    max: 2,
    features: Array.from({ length: 32 }, (_, index) => `f${index}`),
  }),
  "reply-foreign-features": as({ version: 2, features: ["size-report"] }),
  "reply-unknown-identity": as({ version: 2, vm: "any text up to 64 characters" }),
  "reply-mem-decimal": as({ version: 2, mem: GIB / 2 }),
};

/** By folder, then by file name without its ending. */
export const LENIENT: Readonly<Record<Folder, Readings>> = {
  "v1/handshake": HANDSHAKE_V1,
  "v1/from-agent": FROM_AGENT_V1,
  "v1/from-monitor": FROM_MONITOR_V1,
  "v2/handshake": HANDSHAKE_V2,
  "v2/from-agent": FROM_AGENT_V2,
  "v2/from-monitor": FROM_MONITOR_V2,
};
