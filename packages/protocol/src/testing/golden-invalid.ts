// Why the invalid golden frames are refused, by folder and file name. Where a frame is answered, it is by InvalidMessage
// to its id, 0 when it has none, with the problem as the error.
import { type ProblemKind } from "../decode.ts";
import { type Folder } from "./golden.ts";

export type Refusal = Readonly<{ kind: ProblemKind; id: number | null; problem: string }>;
type Refusals = Readonly<Record<string, Refusal>>;

const NOT_JSON: Refusal = { kind: "not-json", id: null, problem: "frame is not JSON" };
const NO_OBJECT: Refusal = {
  kind: "not-an-object",
  id: null,
  problem: "frame is not a JSON object",
};
const NO_ID: Refusal = { kind: "no-id", id: null, problem: "id is not an integer of 0 to 2^53-1" };
const TOO_LARGE: Refusal = {
  kind: "too-large",
  id: null,
  problem: "frame is larger than 32768 bytes",
};
const badFields = (id: number | null, problem: string): Refusal => ({
  kind: "bad-fields",
  id,
  problem,
});
const unknownType = (id: number, problem: string): Refusal => ({
  kind: "unknown-type",
  id,
  problem,
});

/** No message of either side. */
const NO_MESSAGE: Refusals = {
  "frame-empty": NOT_JSON,
  "frame-not-json": NOT_JSON,
  "frame-cut-off": NOT_JSON,
  "frame-not-utf8": NOT_JSON,
  "frame-of-two-objects": NOT_JSON,
  "frame-nan": NOT_JSON,
  "frame-null": NO_OBJECT,
  "frame-number": NO_OBJECT,
  "frame-string": NO_OBJECT,
  "frame-array": NO_OBJECT,
  "frame-too-large": TOO_LARGE,
  "frame-without-anything": NO_ID,
};

const FROM_AGENT_V1: Refusals = {
  ...NO_MESSAGE,
  "frame-without-type": unknownType(2, "type is not a string"),
  "frame-type-number": unknownType(2, "type is not a string"),
  "frame-unknown-type": unknownType(2, 'unknown type "Reboot"'),
  "frame-unknown-type-long": unknownType(
    2,
    'unknown type "????????????????????????????????????????…"',
  ),
  "frame-type-inherited": unknownType(2, 'unknown type "__proto__"'),
  "frame-type-of-the-other-side": unknownType(2, 'unknown type "UpscaleRequest"'),
  "frame-type-lower-case": unknownType(2, 'unknown type "healthcheck"'),
  "health-check-without-id": NO_ID,
  "health-check-id-null": NO_ID,
  "health-check-id-string": NO_ID,
  "health-check-id-negative": NO_ID,
  "health-check-id-fraction": NO_ID,
  "health-check-id-too-large": NO_ID,
  "health-check-id-inherited": NO_ID,
  "health-check-without-content": badFields(2, "content: expected object"),
  "health-check-content-null": badFields(2, "content: expected object"),
  "health-check-content-array": badFields(2, "content: expected object"),
  "upscale-notification-flat": badFields(6, "content: expected object"),
  "upscale-notification-without-granted": badFields(6, "content.granted: expected object"),
  "upscale-notification-cpu-zero": badFields(6, "content.granted.cpu: expected more than 0"),
  "upscale-notification-cpu-negative": badFields(6, "content.granted.cpu: expected more than 0"),
  "upscale-notification-cpu-string": badFields(6, "content.granted.cpu: expected number"),
  "upscale-notification-cpu-too-large": badFields(6, "content.granted.cpu: expected at most 1024"),
  "upscale-notification-cpu-infinite": badFields(6, "content.granted.cpu: expected number"),
  "upscale-notification-mem-zero": badFields(6, "content.granted.mem: expected more than 0"),
  "upscale-notification-mem-negative": badFields(6, "content.granted.mem: expected more than 0"),
  "upscale-notification-mem-fraction": badFields(6, "content.granted.mem: expected int"),
  "upscale-notification-mem-string": badFields(6, "content.granted.mem: expected number"),
  "upscale-notification-mem-null": badFields(6, "content.granted.mem: expected number"),
  "upscale-notification-mem-missing": badFields(6, "content.granted.mem: expected number"),
  "upscale-notification-mem-too-large": badFields(
    6,
    "content.granted.mem: expected at most 9007199254740991",
  ),
  "downscale-request-without-target": badFields(4, "content.target: expected object"),
  "downscale-request-flat": badFields(4, "content: expected object"),
  "downscale-request-target-null": badFields(4, "content.target: expected object"),
  "downscale-request-target-array": badFields(4, "content.target: expected object"),
  "downscale-request-cpu-missing": badFields(4, "content.target.cpu: expected number"),
  "downscale-request-cpu-zero": badFields(4, "content.target.cpu: expected more than 0"),
  "invalid-message-flat": badFields(3, "content: expected object"),
  "invalid-message-error-number": badFields(3, "content.error: expected string"),
  "internal-error-without-error": badFields(3, "content.error: expected string"),
  "internal-error-error-null": badFields(3, "content.error: expected string"),
};

const FROM_AGENT_V2: Refusals = {
  ...FROM_AGENT_V1,
  "scale-response-empty": badFields(3, "content.outcome: expected string"),
  "scale-response-without-permit": badFields(3, "content.permit: expected object"),
  "scale-response-without-resources": badFields(3, "content.resources: expected object"),
  "scale-response-outcome-number": badFields(3, "content.outcome: expected string"),
  "scale-response-one-resource": badFields(3, "content.resources.mem: expected object"),
  "scale-response-permit-zero": badFields(3, "content.permit.mem: expected more than 0"),
  "scale-response-reason-null": badFields(3, "content.resources.cpu.reason: expected string"),
  "scale-response-eta-negative": badFields(3, "content.etaMs: expected at least 0"),
  "scale-response-eta-null": badFields(3, "content.etaMs: expected number"),
  "size-report-without-step": badFields(8, "content.step: expected object"),
  "size-report-step-zero": badFields(8, "content.step.mem: expected more than 0"),
  "size-report-bounds-flat": badFields(8, "content.bounds.min: expected object"),
  "size-report-actual-zero": badFields(8, "content.actual.cpu: expected more than 0"),
  "size-report-reason-number": badFields(8, "content.reason: expected string"),
  "size-report-cpu-used-negative": badFields(8, "content.cpuUsed: expected at least 0"),
  "size-report-share-above-1": badFields(8, "content.throttledShare: expected at most 1"),
  "size-report-share-negative": badFields(8, "content.throttledShare: expected at least 0"),
  "size-report-share-null": badFields(8, "content.throttledShare: expected number"),
  "size-report-flat": badFields(8, "content: expected object"),
};

const FROM_MONITOR_V1: Refusals = {
  ...NO_MESSAGE,
  "frame-without-type": unknownType(3, "type is not a string"),
  "frame-type-number": unknownType(3, "type is not a string"),
  "frame-unknown-type": unknownType(3, 'unknown type "Reboot"'),
  "frame-unknown-type-long": unknownType(
    3,
    'unknown type "????????????????????????????????????????…"',
  ),
  "frame-type-inherited": unknownType(3, 'unknown type "constructor"'),
  "frame-type-of-the-other-side": unknownType(3, 'unknown type "SizeReport"'),
  "frame-type-lower-case": unknownType(3, 'unknown type "healthcheck"'),
  "frame-type-capital-key": unknownType(3, "type is not a string"),
  "health-check-without-id": NO_ID,
  "health-check-id-null": NO_ID,
  "health-check-id-string": NO_ID,
  "health-check-id-negative": NO_ID,
  "health-check-id-fraction": NO_ID,
  "health-check-id-infinite": NO_ID,
  "health-check-id-too-large": NO_ID,
  "upscale-request-without-id": NO_ID,
  "upscale-confirmation-id-string": NO_ID,
  "downscale-result-without-ok": badFields(4, "Ok: expected boolean"),
  "downscale-result-ok-string": badFields(4, "Ok: expected boolean"),
  "downscale-result-ok-number": badFields(4, "Ok: expected boolean"),
  "downscale-result-ok-null": badFields(4, "Ok: expected boolean"),
  "downscale-result-without-status": badFields(4, "Status: expected string"),
  "downscale-result-wrapped": badFields(4, "Ok: expected boolean"),
  "invalid-message-without-error": badFields(4, "error: expected string"),
  "invalid-message-wrapped": badFields(4, "error: expected string"),
  "internal-error-error-number": badFields(4, "error: expected string"),
};

const FROM_MONITOR_V2: Refusals = {
  ...FROM_MONITOR_V1,
  "downscale-result-reason-null": badFields(4, "reason: expected string"),
  "downscale-result-lowest-zero": badFields(4, "lowest.cpu: expected more than 0"),
  "downscale-result-lowest-array": badFields(4, "lowest: expected object"),
  "scale-request-without-target": badFields(3, "target: expected object"),
  "scale-request-wrapped": badFields(3, "target: expected object"),
  "scale-request-target-null": badFields(3, "target: expected object"),
  "scale-request-target-array": badFields(3, "target: expected object"),
  "scale-request-target-inherited": badFields(3, "target.cpu: expected number"),
  "scale-request-cpu-missing": badFields(3, "target.cpu: expected number"),
  "scale-request-cpu-string": badFields(3, "target.cpu: expected number"),
  "scale-request-cpu-infinite": badFields(3, "target.cpu: expected number"),
  "scale-request-mem-null": badFields(3, "target.mem: expected number"),
  "scale-request-reason-null": badFields(3, "reason: expected string"),
  "scale-request-reason-number": badFields(3, "reason: expected string"),
  "scale-request-floor-array": badFields(3, "floor: expected object"),
  "scale-request-floor-string": badFields(3, "floor.cpu: expected number"),
  "scale-request-age-negative": badFields(3, "ageMs: expected at least 0"),
  "scale-request-age-string": badFields(3, "ageMs: expected number"),
};

/** Nothing has an id here: the monitor says what was wrong in its reply, the agent in its close reason. */
const HANDSHAKE_V1: Refusals = {
  "range-without-anything": badFields(null, "min: expected number"),
  "range-array": NO_OBJECT,
  "range-not-json": NOT_JSON,
  "range-without-max": badFields(null, "max: expected number"),
  "range-without-min": badFields(null, "min: expected number"),
  "range-upside-down": badFields(null, "min is above max"),
  "range-of-words": badFields(null, "min: expected number"),
  "range-negative": badFields(null, "min: expected at least 0"),
  "range-fraction": badFields(null, "max: expected int"),
  "range-null": badFields(null, "min: expected number"),
  "range-too-large": TOO_LARGE,
  "range-beyond-32-bits": badFields(null, "max: expected at most 4294967295"),
  "reply-without-anything": badFields(null, "version: expected number"),
  "reply-array": NO_OBJECT,
  "reply-not-json": NOT_JSON,
  "reply-null": NO_OBJECT,
  "reply-version-0": badFields(null, "version 0 was not offered, only 1 to 1"),
  "reply-version-not-offered": badFields(null, "version 3 was not offered, only 1 to 1"),
  "reply-version-word": badFields(null, "version: expected number"),
  "reply-version-fraction": badFields(null, "version: expected int"),
  "reply-version-null": badFields(null, "version: expected number"),
  "reply-error-number": badFields(null, "error: expected string"),
  "reply-error-false": badFields(null, "error: expected string"),
};

const HANDSHAKE_V2: Refusals = {
  ...HANDSHAKE_V1,
  "reply-version-0": badFields(null, "version 0 was not offered, only 1 to 2"),
  "reply-version-not-offered": badFields(null, "version 3 was not offered, only 1 to 2"),
  "range-features-word": badFields(null, "features: expected array"),
  "range-features-null": badFields(null, "features: expected array"),
  "range-features-object": badFields(null, "features: expected array"),
  "reply-vm-number": badFields(null, "vm: expected string"),
  "reply-vm-null": badFields(null, "vm: expected string"),
  "reply-vm-too-long": badFields(null, "vm: expected at most 64"),
  "reply-boot-too-long": badFields(null, "boot: expected at most 64"),
  "reply-mem-zero": badFields(null, "mem: expected more than 0"),
  "reply-mem-fraction": badFields(null, "mem: expected int"),
  "reply-mem-string": badFields(null, "mem: expected number"),
  "reply-features-word": badFields(null, "features: expected array"),
};

/** By folder, then by file name without its ending. */
export const INVALID: Readonly<Record<Folder, Refusals>> = {
  "v1/handshake": HANDSHAKE_V1,
  "v1/from-agent": FROM_AGENT_V1,
  "v1/from-monitor": FROM_MONITOR_V1,
  "v2/handshake": HANDSHAKE_V2,
  "v2/from-agent": FROM_AGENT_V2,
  "v2/from-monitor": FROM_MONITOR_V2,
};
