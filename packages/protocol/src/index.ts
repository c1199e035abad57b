// The contract between agent and monitor. Everything public is named here, once.
export {
  Allocation,
  allocationFromSize,
  checkTarget,
  sizeFromAllocation,
  type Bounds,
  type CheckedTarget,
  type Size,
} from "./allocation.ts";
export { ProtocolAssertionError } from "./assert.ts";
export {
  type AgentDecision,
  type BindingLimit,
  type Candidate,
  type Decision,
  type DecisionInputs,
  type MonitorDecision,
  type Resource,
  type ResourceDecision,
} from "./decision.ts";
export {
  decodeFromAgent,
  decodeFromMonitor,
  type Decoded,
  type ProblemKind,
  type Undecoded,
} from "./decode.ts";
export { encodeFromAgent, encodeFromMonitor } from "./encode.ts";
export {
  decodeHandshakeReply,
  decodeRange,
  describeMismatch,
  encodeHandshakeReply,
  encodeRange,
  highestShared,
  readUuid,
  sharedFeatures,
  type HandshakeReply,
  type VersionRange,
} from "./handshake.ts";
export * from "./limits.ts";
export { FromAgent, FromMonitor, SCALE_REQUEST_START, isSpoken } from "./messages.ts";
export {
  AGENT_REASONS,
  OUTCOMES,
  SCALE_REASONS,
  isAgentReason,
  isOutcome,
  isScaleReason,
  readOutcome,
  readReason,
  worstOutcome,
  type AgentReason,
  type Outcome,
  type ScaleReason,
} from "./reasons.ts";
export { clipText, utf8Bytes } from "./text.ts";
export {
  FEATURES,
  HIGHEST_VERSION,
  LOWEST_VERSION,
  offeredRange,
  SPOKEN_VERSIONS,
} from "./versions.ts";
