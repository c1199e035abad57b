// What the version-2 golden frames mean.
import { type HandshakeReply } from "../handshake.ts";
import { type FromAgent, type FromMonitor } from "../messages.ts";

const GIB = 1024 ** 3;
const SMALL = { cpu: 1, mem: GIB / 2 };
const MOST = { cpu: 4, mem: 2.5 * GIB };
/** By the name of its file in golden/v2/from-monitor. */
export const FROM_MONITOR_V2: Record<string, FromMonitor> = {
  "downscale-agreed": {
    type: "DownscaleResult",
    Ok: true,
    Status: "memory 1.0 GiB needed of 2.0 GiB",
    id: 4,
  },
  "downscale-refused": {
    type: "DownscaleResult",
    Ok: false,
    Status: "1.4 GiB is in use",
    reason: "memory",
    lowest: { cpu: 1, mem: 1.5 * GIB },
    id: 4,
  },
  "scale-request": { type: "ScaleRequest", target: { cpu: 1.5, mem: 6 * GIB }, id: 3 },
  "scale-request-explained": {
    type: "ScaleRequest",
    target: { cpu: 0.25, mem: 6 * GIB },
    reason: "reservation",
    floor: { cpu: 0, mem: 4 * GIB },
    ageMs: 12.5,
    id: 5,
  },
};
/** By the name of its file in golden/v2/from-agent. */
export const FROM_AGENT_V2: Record<string, FromAgent> = {
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
const BOOT = "0f1e2d3c-4b5a-4968-8778-695a4b3c2d1e";
/** By the name of its file in golden/v2/handshake. */
export const REPLIES_V2: Record<string, HandshakeReply> = {
  accepted: {
    version: 2,
    vm: "4c4c4544-0042-3510-8052-b4c04f564433",
    boot: BOOT,
    features: ["size-report"],
  },
  "accepted-without-uuid": { version: 2, boot: BOOT, mem: GIB / 2, features: ["size-report"] },
  refused: { error: "no common version: 1-2 and 3-4" },
};
