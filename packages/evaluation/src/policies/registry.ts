// Every policy by the name that a command line uses, and what can be set of it. To add one: an entry in POLICIES.
import { type Policy } from "../policy.ts";
import { type Workload } from "../workload.ts";
import { AUTOPILOT_SETTINGS, autopilotPolicy } from "./autopilot.ts";
import { DRAFT_MONITOR_SETTINGS, draftMonitorPolicy } from "./draft-monitor.ts";
import { nearestName } from "./near-name.ts";
import { NEON_SETTINGS, neonPolicy } from "./neon.ts";
import { OURS_SETTINGS, oursPolicy } from "./ours.ts";
import { SENPAI_SETTINGS, senpaiPolicy } from "./senpai.ts";
import {
  defaultsOf,
  nameWith,
  type SettingsOf,
  type SettingSpecs,
  valueProblem,
} from "./settings.ts";
import { staticMaxPolicy, staticPolicy } from "./static.ts";
import { TARGET_SETTINGS, targetPolicy } from "./target.ts";
import { TWO_WINDOW_SETTINGS, twoWindowPolicy } from "./two-window.ts";
import { VPA_SETTINGS, vpaPolicy } from "./vpa.ts";

/** A policy for a workload: who decides in hindsight has seen it, the others make no use of it. */
export type PolicyFor = (workload: Workload) => Policy;

export type PolicyEntry = Readonly<{
  name: string;
  /** One line. */
  help: string;
  settings: SettingSpecs;
  make: (settings: Readonly<Record<string, number>>) => PolicyFor;
}>;

/** An entry whose settings keep their names and types inside. */
function entry<Specs extends SettingSpecs>(
  name: string,
  help: string,
  settings: Specs,
  make: (settings: SettingsOf<Specs>) => PolicyFor,
): PolicyEntry {
  // Who calls has put every setting of the specs in.
  return { name, help, settings, make: (values) => make(values as SettingsOf<Specs>) };
}

/** In the order of the tables. The clairvoyant is no policy but a reference: ../run.ts. */
export const POLICIES: readonly PolicyEntry[] = [
  entry("ours", "our monitor as it ships", OURS_SETTINGS, (settings) => {
    const policy = oursPolicy(settings);
    return () => policy;
  }),
  entry("neon", "the deployed agent and its monitor", NEON_SETTINGS, (settings) => {
    const policy = neonPolicy(settings);
    return () => policy;
  }),
  entry(
    "draft-monitor",
    "the draft monitor of the proposal's author",
    DRAFT_MONITOR_SETTINGS,
    (settings) => {
      const policy = draftMonitorPolicy(settings);
      return () => policy;
    },
  ),
  entry("vpa", "Kubernetes' Vertical Pod Autoscaler, in place", VPA_SETTINGS, (settings) => {
    const policy = vpaPolicy(settings);
    return () => policy;
  }),
  entry(
    "target",
    "target tracking, the horizontal autoscaler's shape",
    TARGET_SETTINGS,
    (settings) => {
      const policy = targetPolicy(settings);
      return () => policy;
    },
  ),
  entry("senpai", "one-second controller of CPU, senpai of memory", SENPAI_SETTINGS, (settings) => {
    const policy = senpaiPolicy(settings);
    return () => policy;
  }),
  entry("two-window", "ClickHouse Cloud's recommender", TWO_WINDOW_SETTINGS, (settings) => {
    const policy = twoWindowPolicy(settings);
    return () => policy;
  }),
  entry("autopilot", "Google's moving-window recommender", AUTOPILOT_SETTINGS, (settings) => {
    const policy = autopilotPolicy(settings);
    return () => policy;
  }),
  entry("static-max", "always the largest size", {}, () => staticMaxPolicy),
  entry("static-p95", "a fixed size in hindsight: 95 % of the time is covered", {}, () =>
    staticPolicy("static-p95", { share: 0.95, extra: 0 }),
  ),
  entry("static-p99.5+20", "a fixed size in hindsight: 99.5 % and a fifth more", {}, () =>
    staticPolicy("static-p99.5+20", { share: 0.995, extra: 0.2 }),
  ),
];

/** What was asked for, or what is wrong with it in one line. */
export type PolicyChoice =
  | Readonly<{ kind: "policy"; name: string; policyFor: PolicyFor }>
  | Readonly<{ kind: "problem"; problem: string }>;

/** "NAME" or "NAME:setting=value,setting=value". */
export function policyByName(
  text: string,
  policies: readonly PolicyEntry[] = POLICIES,
): PolicyChoice {
  const colon = text.indexOf(":");
  const name = colon === -1 ? text : text.slice(0, colon);
  const found = policies.find((one) => one.name === name);
  if (found === undefined) {
    return problem(
      unknown(
        "policy",
        name,
        policies.map((one) => one.name),
      ),
    );
  }
  const settings: Record<string, number> = { ...defaultsOf(found.settings) };
  const given = new Set<string>();
  for (const part of colon === -1 ? [] : text.slice(colon + 1).split(",")) {
    const wrong = settle(found, part, settings, given);
    if (wrong !== null) return problem(`${name}: ${wrong}`);
  }
  const label = nameWith(name, found.settings, settings);
  return { kind: "policy", name: label, policyFor: found.make(settings) };
}

/** Takes one "setting=value"; null when it is fine. */
function settle(
  { settings: specs }: PolicyEntry,
  part: string,
  settings: Record<string, number>,
  given: Set<string>,
): string | null {
  const equals = part.indexOf("=");
  if (equals === -1) return `"${part}" is not of the form setting=value`;
  const key = part.slice(0, equals);
  const value = part.slice(equals + 1);
  const spec = Object.hasOwn(specs, key) ? specs[key] : undefined;
  if (spec === undefined) return unknown("setting", key, Object.keys(specs));
  if (given.has(key)) return `setting "${key}" is given twice`;
  given.add(key);
  const wrong = valueProblem(spec, value);
  if (wrong !== null) return `setting "${key}" ${wrong} (${spec.unit})`;
  settings[key] = Number(value);
  return null;
}

function unknown(kind: string, name: string, known: readonly string[]): string {
  if (known.length === 0) return `there is no ${kind} "${name}": nothing can be set`;
  const nearest = nearestName(name, known);
  const hint = nearest === null ? "" : `, did you mean "${nearest}"?`;
  return `there is no ${kind} "${name}"${hint}${hint === "" ? ";" : ""} known: ${known.join(", ")}`;
}

function problem(text: string): PolicyChoice {
  return { kind: "problem", problem: text };
}
