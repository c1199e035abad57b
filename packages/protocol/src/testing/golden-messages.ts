// What the valid golden frames mean, by folder and file name: each decodes to this, and this encodes to its bytes.
// A frame of version 1 is a frame of version 2 as well.
import { type HandshakeReply, type VersionRange } from "../handshake.ts";
import { type FromAgent, type FromMonitor } from "../messages.ts";

const GIB = 1024 ** 3;
const SMALL = { cpu: 1, mem: GIB / 2 };
const MOST = { cpu: 4, mem: 2.5 * GIB };
const LARGEST = { cpu: 1024, mem: Number.MAX_SAFE_INTEGER };
const BOOT = "0f1e2d3c-4b5a-4968-8778-695a4b3c2d1e";

const FROM_AGENT_V1: Record<string, FromAgent> = {
  "health-check": { type: "HealthCheck", content: {}, id: 2 },
  "upscale-notification": {
    type: "UpscaleNotification",
    content: { granted: { cpu: 1, mem: 4 * GIB } },
    id: 6,
  },
  "upscale-notification-smallest": {
    type: "UpscaleNotification",
    content: { granted: { cpu: 1e-7, mem: 1 } },
    id: 0,
  },
  "upscale-notification-largest": {
    type: "UpscaleNotification",
    content: { granted: LARGEST },
    id: Number.MAX_SAFE_INTEGER,
  },
  "downscale-request": {
    type: "DownscaleRequest",
    content: { target: { cpu: 0.25, mem: GIB } },
    id: 4,
  },
  // Deployed agents print what their floating-point sum gave.
  "downscale-request-unrounded": {
    type: "DownscaleRequest",
    content: { target: { cpu: 0.35000000000000003, mem: GIB } },
    id: 4,
  },
  "invalid-message": {
    type: "InvalidMessage",
    content: { error: 'unknown type "Reboot"' },
    id: 3,
  },
  "invalid-message-to-no-id": {
    type: "InvalidMessage",
    content: { error: "frame is not JSON" },
    id: 0,
  },
  "internal-error": { type: "InternalError", content: { error: "failed" }, id: 3 },
  "internal-error-any-text": {
    type: "InternalError",
    content: { error: 'é 😀 <a> & "b"\\\n\u0001\u2028' },
    id: 3,
  },
};

const FROM_AGENT_V2: Record<string, FromAgent> = {
  ...FROM_AGENT_V1,
  "scale-response-accepted": {
    type: "ScaleResponse",
    content: {
      outcome: "accepted",
      resources: { cpu: { outcome: "accepted" }, mem: { outcome: "accepted" } },
      permit: { cpu: 1.5, mem: 6 * GIB },
    },
    id: 3,
  },
  "scale-response-clamped": {
    type: "ScaleResponse",
    content: {
      outcome: "clamped",
      resources: { cpu: { outcome: "accepted" }, mem: { outcome: "clamped", reason: "bounds" } },
      permit: { cpu: 1.5, mem: 2.5 * GIB },
      etaMs: 1200,
    },
    id: 3,
  },
  "scale-response-full": {
    type: "ScaleResponse",
    content: {
      outcome: "deferred",
      resources: {
        cpu: { outcome: "accepted", reason: "grid" },
        mem: { outcome: "deferred", reason: "node-full" },
      },
      permit: { cpu: 1.5, mem: 2.5 * GIB },
      etaMs: 0,
    },
    id: 7,
  },
  "scale-response-refused": {
    type: "ScaleResponse",
    content: {
      outcome: "refused",
      resources: {
        cpu: { outcome: "refused" },
        mem: { outcome: "deferred", reason: "node-full" },
      },
      permit: SMALL,
    },
    id: 5,
  },
  "size-report": {
    type: "SizeReport",
    content: {
      actual: SMALL,
      requested: SMALL,
      permit: SMALL,
      bounds: { min: SMALL, max: MOST },
      step: { cpu: 1, mem: GIB / 8 },
    },
    id: 2,
  },
  "size-report-fixed-memory": {
    type: "SizeReport",
    content: {
      actual: SMALL,
      requested: SMALL,
      permit: SMALL,
      bounds: { min: SMALL, max: { cpu: 4, mem: GIB / 2 } },
      step: { cpu: 1, mem: 1 },
      reason: "no-memory-device",
    },
    id: 8,
  },
  "size-report-full": {
    type: "SizeReport",
    content: {
      actual: { cpu: 0.75, mem: GIB / 2 },
      requested: { cpu: 1.5, mem: 0.75 * GIB },
      permit: { cpu: 1.5, mem: GIB },
      bounds: { min: { cpu: 0.25, mem: GIB / 2 }, max: MOST },
      step: { cpu: 0.25, mem: GIB / 8 },
      reason: "node-full",
      cpuUsed: 0.8,
      throttledShare: 0.1,
    },
    id: 8,
  },
};

const FROM_MONITOR_V1: Record<string, FromMonitor> = {
  "upscale-request": { type: "UpscaleRequest", id: 3 },
  "upscale-confirmation": { type: "UpscaleConfirmation", id: 6 },
  "health-check": { type: "HealthCheck", id: 2 },
  "downscale-result-agreed": {
    type: "DownscaleResult",
    Ok: true,
    Status: "memory 1.0 GiB needed of 2.0 GiB",
    id: 4,
  },
  "downscale-result-refused": {
    type: "DownscaleResult",
    Ok: false,
    Status: "1.4 GiB is in use",
    id: 4,
  },
  "invalid-message": { type: "InvalidMessage", error: 'unknown type "Reboot"', id: 4 },
  "invalid-message-to-no-id": { type: "InvalidMessage", error: "frame is not JSON", id: 0 },
  "internal-error": { type: "InternalError", error: "failed to downscale", id: 4 },
  "internal-error-any-text": {
    type: "InternalError",
    error: 'é 😀 <a> & "b"\\\n\u0001\u2028',
    id: 4,
  },
};

const FROM_MONITOR_V2: Record<string, FromMonitor> = {
  ...FROM_MONITOR_V1,
  "downscale-result-full": {
    type: "DownscaleResult",
    Ok: false,
    Status: "1.4 GiB is in use",
    reason: "memory",
    lowest: { cpu: 1, mem: 1.5 * GIB },
    id: 4,
  },
  "scale-request": { type: "ScaleRequest", target: { cpu: 1.5, mem: 6 * GIB }, id: 3 },
  "scale-request-largest": { type: "ScaleRequest", target: LARGEST, id: 3 },
  "scale-request-full": {
    type: "ScaleRequest",
    target: { cpu: 0.25, mem: 6 * GIB },
    reason: "reservation",
    floor: { cpu: 0, mem: 4 * GIB },
    ageMs: 12.5,
    id: 5,
  },
};

const HANDSHAKE_V1: Record<string, VersionRange | HandshakeReply> = {
  range: { min: 1, max: 1 },
  "range-from-0": { min: 0, max: 9 },
  reply: { version: 1 },
  "reply-refused": { error: "no common version: 1-1 and 2-2" },
  // The deployed monitor's own words.
  "reply-refused-deployed": {
    error: "Received protocol version range v1.0 which does not overlap with v2",
  },
};

const HANDSHAKE_V2: Record<string, VersionRange | HandshakeReply> = {
  "range-minimal": { min: 1, max: 2 },
  "range-full": { min: 1, max: 2, features: ["size-report"] },
  "range-from-0": { min: 0, max: 255, features: ["size-report", "a"] },
  "reply-version-1": { version: 1 },
  "reply-minimal": { version: 2 },
  "reply-accepted": {
    version: 2,
    vm: "4c4c4544-0042-3510-8052-b4c04f564433",
    boot: BOOT,
    features: ["size-report"],
  },
  // The weaker identity, of a machine that was given no UUID.
  "reply-without-uuid": { version: 2, boot: BOOT, mem: GIB / 2, features: ["size-report"] },
  "reply-full": {
    version: 2,
    vm: "4c4c4544-0042-3510-8052-b4c04f564433",
    boot: BOOT,
    mem: GIB / 2,
    features: [],
  },
  "reply-refused": { error: "no common version: 1-2 and 3-4" },
};

/** By folder, then by file name without its ending. */
export const VALID = {
  "v1/handshake": HANDSHAKE_V1,
  "v1/from-agent": FROM_AGENT_V1,
  "v1/from-monitor": FROM_MONITOR_V1,
  "v2/handshake": HANDSHAKE_V2,
  "v2/from-agent": FROM_AGENT_V2,
  "v2/from-monitor": FROM_MONITOR_V2,
} as const;
