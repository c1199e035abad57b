// From a scraped page to the metrics that the legacy algorithm wants. What does not fit is a problem in words, not a throw.
//
// Stated differences from pkg/agent/core/metrics.go: one page may hold both kinds of metrics; lfc_hits, lfc_misses and
// lfc_writes are not required, since nothing uses them; a metric without `# TYPE` passes for a gauge; NaN, infinite and
// negative values are refused here.
import { KERNEL_MEM_BYTES } from "./defaults.ts";
import { isSaneMetric } from "./goal.ts";
import { parsePrometheusText, type Parsed, type Sample } from "./prometheus-text.ts";
import { type LegacyMetrics, type LfcMetrics, type SystemMetrics } from "./types.ts";

const SYSTEM_NAMES = [
  "host_load1",
  "host_load5",
  "host_memory_total_bytes",
  "host_memory_available_bytes",
  "host_memory_cached_bytes",
] as const;
type SystemName = (typeof SYSTEM_NAMES)[number];
const WORKING_SET = "lfc_approximate_working_set_size_windows";
const WANTED: ReadonlySet<string> = new Set([...SYSTEM_NAMES, WORKING_SET]);

/** The page as far as it could be parsed. */
type Page = Extract<Parsed, { ok: true }>;

export type ReadMetrics =
  /** `problems` says what is missing or was left out, and why. */
  | Readonly<{ ok: true; metrics: LegacyMetrics; problems: readonly string[] }>
  /** Not this format, so that nothing on it can be trusted. */
  | Readonly<{ ok: false; problem: string }>;

/**
 * The kinds that this page is read for; others on it are not looked at. Host metrics and working set each count all or
 * nothing, and neither spoils the other: deployed agents scrape them from two ports.
 */
export function parseLegacyMetrics(
  text: string,
  kinds: readonly (keyof LegacyMetrics)[],
): ReadMetrics {
  const page = parsePrometheusText(text, WANTED);
  if (!page.ok) return { ok: false, problem: `line ${page.line}: ${page.problem}` };
  const system = kinds.includes("system") ? readSystem(page) : null;
  const lfc = kinds.includes("lfc") ? readLfc(page) : null;
  const problems = [system, lfc].filter((read) => typeof read === "string");
  const metrics = {
    system: typeof system === "string" ? null : system,
    lfc: typeof lfc === "string" ? null : lfc,
  };
  return { ok: true, metrics, problems };
}

function readSystem({ samples, types }: Page): SystemMetrics | string {
  const values = new Map<SystemName, number>();
  for (const name of SYSTEM_NAMES) {
    const found = samples.filter((sample) => sample.name === name);
    const [only] = found;
    if (only === undefined) return `${name} is missing`;
    if (found.length > 1) return `${name} has ${found.length} samples instead of one`;
    const problem = typeProblem(name, types) ?? valueProblem(only);
    if (problem !== null) return problem;
    values.set(name, only.value);
  }
  const value = (name: SystemName) => values.get(name) ?? NaN;
  const memTotalBytes = value("host_memory_total_bytes");
  return {
    load1: value("host_load1"),
    load5: value("host_load5"),
    memTotalBytes,
    memUsageBytes: memTotalBytes - value("host_memory_available_bytes") + KERNEL_MEM_BYTES,
    memCachedBytes: value("host_memory_cached_bytes"),
  };
}

/** Windows of exactly 1, 2, 3 … minutes, in any order, or none of them counts. */
function readLfc({ samples, types }: Page): LfcMetrics | string {
  const windows = samples
    .filter((sample) => sample.name === WORKING_SET)
    .map((sample) => ({ seconds: secondsOf(sample), sample }))
    .sort((a, b) => a.seconds - b.seconds);
  if (windows.length === 0) return `${WORKING_SET} is missing`;
  const wrongType = typeProblem(WORKING_SET, types);
  if (wrongType !== null) return wrongType;
  for (const [index, { seconds, sample }] of windows.entries()) {
    const expected = 60 * (index + 1);
    if (seconds !== expected) {
      return `${WORKING_SET} has no window of ${expected} s where one belongs`;
    }
    const problem = valueProblem(sample);
    if (problem !== null) return problem;
  }
  return { workingSetPagesPerMinute: windows.map(({ sample }) => sample.value) };
}

/** The window that a sample is about; 0, which none is, when it does not say. */
function secondsOf({ labels }: Sample): number {
  const text = labels.get("duration_seconds") ?? "";
  return /^\d{1,6}$/.test(text) ? Number(text) : 0;
}

function typeProblem(name: string, types: ReadonlyMap<string, string>): string | null {
  const type = types.get(name) ?? "gauge";
  return type === "gauge" ? null : `${name} is a ${type.slice(0, 20)}, expected a gauge`;
}

function valueProblem({ name, value }: Sample): string | null {
  return isSaneMetric(value) ? null : `${name} is ${value}`;
}
