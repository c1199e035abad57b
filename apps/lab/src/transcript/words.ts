// One frame in words: what it says, with units. Its number comes before, how long an answer took after.
import {
  type Allocation,
  type FromAgent,
  type FromMonitor,
  type HandshakeReply,
  type VersionRange,
} from "@selfscale/protocol";
import { quote, sayCpu, sayMs, sayShare, saySize } from "./units.ts";

type Report = Extract<FromAgent, { type: "SizeReport" }>["content"];

export function sayRange(range: VersionRange): string {
  return [`speaks ${versions(range)}`, ...features(range.features)].join(", ");
}

export function sayReply(reply: HandshakeReply, offered: VersionRange): string {
  if ("error" in reply) return `refuses the handshake: ${quote(reply.error)}`;
  const { version, vm, boot, mem } = reply;
  return [
    `version ${version} agreed (${offered.min}..${offered.max} offered)`,
    ...features(reply.features),
    ...(vm === undefined ? [] : [`VM ${quote(vm).slice(1, -1)}`]),
    ...(boot === undefined ? [] : [`boot ${quote(boot).slice(1, -1)}`]),
    ...(mem === undefined ? [] : [`sees ${mem} bytes of memory`]),
  ].join(", ");
}

/** `before`: the link's report before this one; what did not change is not repeated. */
export function sayFromAgent(message: FromAgent, before: Report | null): string {
  switch (message.type) {
    case "HealthCheck":
      return "health check";
    case "UpscaleNotification":
      return `the VM has ${saySize(message.content.granted)} now`;
    case "DownscaleRequest":
      return `may it shrink to ${saySize(message.content.target)}?`;
    case "ScaleResponse":
      return sayScaleResponse(message.content);
    case "SizeReport":
      return sayReport(message.content, before);
    case "InvalidMessage":
      return `did not understand: ${quote(message.content.error)}`;
    case "InternalError":
      return `could not do it: ${quote(message.content.error)}`;
    default:
      return message satisfies never;
  }
}

export function sayFromMonitor(message: FromMonitor): string {
  switch (message.type) {
    case "HealthCheck":
      return "is well";
    case "UpscaleRequest":
      return "asks for more";
    case "UpscaleConfirmation":
      return "has noted it";
    case "DownscaleResult":
      return sayConsent(message);
    case "ScaleRequest":
      return sayWish(message);
    case "InvalidMessage":
      return `did not understand: ${quote(message.error)}`;
    case "InternalError":
      return `could not do it: ${quote(message.error)}`;
    default:
      return message satisfies never;
  }
}

function sayWish({ target, reason, floor, ageMs }: FromMonitor & { type: "ScaleRequest" }): string {
  const why = [
    ...(reason === undefined ? [] : [reason]),
    ...(floor === undefined ? [] : [`of it reserved ${saySize(floor)}`]),
    ...(ageMs === undefined ? [] : [`sample ${sayMs(ageMs)} old`]),
  ];
  return `wants ${saySize(target)}${why.length === 0 ? "" : ` (${why.join(", ")})`}`;
}

function sayConsent(message: FromMonitor & { type: "DownscaleResult" }): string {
  const { Ok, Status, reason, lowest } = message;
  const why = reason === undefined ? "" : ` (${reason})`;
  const instead = lowest === undefined ? "" : `; would agree to ${saySize(lowest)}`;
  return `${Ok ? "agrees" : "refuses"}${why}: ${quote(Status)}${instead}`;
}

type ScaleAnswer = Extract<FromAgent, { type: "ScaleResponse" }>["content"];

function sayScaleResponse({ outcome, resources, permit, etaMs }: ScaleAnswer): string {
  const one = (name: "cpu" | "mem") => {
    const { outcome: fared, reason } = resources[name];
    return `${name} ${fared}${reason === undefined ? "" : ` by ${reason}`}`;
  };
  const eta = etaMs === undefined ? "" : etaMs < 1 ? ", at once" : `, eta ${sayMs(etaMs)}`;
  return `${outcome}: ${one("cpu")}, ${one("mem")}; permit ${saySize(permit)}${eta}`;
}

function sayReport(report: Report, before: Report | null): string {
  const { actual, requested, permit, bounds, step, reason, cpuUsed, throttledShare } = report;
  const isNew = (what: "bounds" | "step") =>
    before === null || JSON.stringify(before[what]) !== JSON.stringify(report[what]);
  return [
    `reports ${saySize(actual)}`,
    ...(isSame(requested, actual) ? [] : [`requested ${saySize(requested)}`]),
    ...(isSame(permit, requested) ? [] : [`permit ${saySize(permit)}`]),
    ...(isNew("bounds") ? [`bounds ${saySize(bounds.min)} to ${saySize(bounds.max)}`] : []),
    ...(isNew("step") ? [`steps of ${saySize(step)}`] : []),
    ...(reason === undefined ? [] : [reason]),
    ...(cpuUsed === undefined ? [] : [`${sayCpu(cpuUsed)} used`]),
    ...(throttledShare === undefined ? [] : [`throttled ${sayShare(throttledShare)}`]),
  ].join("; ");
}

function isSame(a: Allocation, b: Allocation): boolean {
  return a.cpu === b.cpu && a.mem === b.mem;
}

function versions({ min, max }: VersionRange): string {
  return min === max ? `version ${min}` : `versions ${min} to ${max}`;
}

function features(names: readonly string[] | undefined): string[] {
  return names === undefined || names.length === 0 ? [] : [`features ${names.join(" ")}`];
}
