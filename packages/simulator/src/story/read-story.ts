// Reads a story from the JSON that somebody saved or wrote: what is wrong is named by its path.
import { FAULT_KINDS } from "./faults.ts";
import { type Story } from "./story.ts";

export type ReadStory = Readonly<{ ok: true; story: Story } | { ok: false; problem: string }>;

type Shape = "number" | "boolean" | "string";

const PLAN: Readonly<Record<keyof Story["vms"][number], Shape>> = {
  minMilli: "number",
  maxMilli: "number",
  minMib: "number",
  maxMib: "number",
  baseMib: "number",
  deviceMib: "number",
  blockMib: "number",
  vcpus: "number",
  vcpusMax: "number",
  hasQuota: "boolean",
  hasMetrics: "boolean",
  hasUuid: "boolean",
  agentMax: "number",
  monitorMax: "number",
  preset: "string",
  isProbing: "boolean",
  swapMib: "number",
  isOnlinedByMonitor: "boolean",
  weight: "number",
  priority: "number",
};
const NODE: Readonly<Record<keyof Story["node"], Shape>> = {
  milliCpu: "number",
  mib: "number",
  overheadMib: "number",
  reserveMilli: "number",
  reserveMib: "number",
  emergencyMilli: "number",
  emergencyMib: "number",
};
const DEMAND = {
  at: "number",
  vm: "number",
  milliCpu: "number",
  anonMib: "number",
  cacheMib: "number",
} as const;
const FAULT = {
  at: "number",
  vm: "number",
  kind: "string",
  forMs: "number",
  amount: "number",
} as const;
const STORY = {
  seed: "number",
  memoryEveryMs: "number",
  cpuEveryMs: "number",
  patience: "string",
  hostileMs: "number",
  healthyMs: "number",
} as const;

export function readStory(text: string): ReadStory {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { ok: false, problem: `not JSON: ${error instanceof Error ? error.message : ""}` };
  }
  const problem =
    shapeProblem(value, STORY, "story") ??
    shapeProblem(at(value, "node"), NODE, "node") ??
    listProblem(at(value, "vms"), PLAN, "vms") ??
    listProblem(at(value, "demands"), DEMAND, "demands") ??
    listProblem(at(value, "faults"), FAULT, "faults") ??
    wordProblem(value as Story);
  return problem === null ? { ok: true, story: value as Story } : { ok: false, problem };
}

function at(value: unknown, key: string): unknown {
  return (value as Readonly<Record<string, unknown>>)[key];
}

function shapeProblem(
  value: unknown,
  shape: Readonly<Record<string, Shape>>,
  path: string,
): string | null {
  if (typeof value !== "object" || value === null) return `${path}: expected an object`;
  for (const [key, type] of Object.entries(shape)) {
    const found = at(value, key);
    const isGood = typeof found === type && (type !== "number" || Number.isFinite(found));
    if (!isGood) return `${path}.${key}: expected a ${type}, found ${JSON.stringify(found)}`;
    if (type === "number" && (found as number) < 0) return `${path}.${key}: below 0`;
  }
  return null;
}

function listProblem(
  value: unknown,
  shape: Readonly<Record<string, Shape>>,
  path: string,
): string | null {
  if (!Array.isArray(value)) return `${path}: expected a list`;
  for (const [index, one] of value.entries()) {
    const problem = shapeProblem(one, shape, `${path}[${index}]`);
    if (problem !== null) return problem;
  }
  return null;
}

function wordProblem({ vms, demands, faults, patience }: Story): string | null {
  if (vms.length === 0) return "vms: a world has at least one VM";
  if (!["short", "default"].includes(patience)) return `patience: "${patience}" is not known`;
  for (const [index, { preset }] of vms.entries()) {
    if (!["default", "demo"].includes(preset))
      return `vms[${index}].preset: "${preset}" is not known`;
  }
  for (const [index, { kind }] of faults.entries()) {
    if (!FAULT_KINDS.includes(kind)) return `faults[${index}].kind: "${kind}" is not known`;
  }
  for (const [path, list] of Object.entries({ demands, faults })) {
    const index = list.findIndex(({ vm }) => vm >= vms.length);
    if (index >= 0) return `${path}[${index}].vm: there is no such VM`;
  }
  return null;
}
