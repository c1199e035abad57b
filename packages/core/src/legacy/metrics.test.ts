import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseLegacyMetrics } from "./metrics.ts";

/** SEED=n replays another stream of random inputs. */
const RUNS = { seed: Number(process.env["SEED"] ?? 17), numRuns: 1000 };

const PAGE = `# HELP host_load1 System load averaged over the last 1 second.
# TYPE host_load1 gauge
host_load1{host="a",collector="load"} 0.34 1700000000000
host_load5 0.25
host_memory_total_bytes 4.294967296e9
host_memory_available_bytes 3e9\r
host_memory_cached_bytes 1000000
something_else{path="C:\\\\x",quote="\\"",line="a\\nb"} +Inf
`;
const SYSTEM = {
  load1: 0.34,
  load5: 0.25,
  memTotalBytes: 4_294_967_296,
  memUsageBytes: 4_294_967_296 - 3e9 + 100 * 1024 * 1024,
  memCachedBytes: 1_000_000,
};
const WORKING_SET = "lfc_approximate_working_set_size_windows";
const BOTH = ["system", "lfc"] as const;
const lfc = (minutes: readonly number[]) =>
  minutes.map((m) => `${WORKING_SET}{duration_seconds="${m * 60}"} ${m * 10}\n`).join("");

describe("a page as deployed exporters write it", () => {
  test("host metrics alone", () => {
    const metrics = { system: SYSTEM, lfc: null };
    expect(parseLegacyMetrics(PAGE, ["system"])).toEqual({ ok: true, metrics, problems: [] });
  });

  test("working-set windows alone, in any order", () => {
    const metrics = { system: null, lfc: { workingSetPagesPerMinute: [10, 20, 30] } };
    const page = lfc([2, 1, 3]);
    expect(parseLegacyMetrics(page, ["lfc"])).toEqual({ ok: true, metrics, problems: [] });
    const problems = ["host_load1 is missing"];
    expect(parseLegacyMetrics(page, BOTH)).toEqual({ ok: true, metrics, problems });
  });

  test("both on one page", () => {
    const metrics = { system: SYSTEM, lfc: { workingSetPagesPerMinute: [10, 20] } };
    const page = PAGE + lfc([1, 2]);
    expect(parseLegacyMetrics(page, BOTH)).toEqual({ ok: true, metrics, problems: [] });
    const one = (kind: keyof typeof metrics) => ({
      ok: true,
      metrics: { system: null, lfc: null, [kind]: metrics[kind] },
      problems: [],
    });
    expect(parseLegacyMetrics(page, ["system"])).toEqual(one("system"));
    expect(parseLegacyMetrics(page, ["lfc"])).toEqual(one("lfc"));
  });
});

describe("a working set that does not fit is left out, with the problem in words", () => {
  const windows = (text: string) => `${text}\n`;
  test.for([
    { name: "none", text: "", problem: "is missing" },
    { name: "a gap", text: lfc([1, 3]), problem: "has no window of 120 s where one belongs" },
    { name: "one twice", text: lfc([1, 1]), problem: "has no window of 120 s where one belongs" },
    { name: "not from 1", text: lfc([2, 3]), problem: "has no window of 60 s where one belongs" },
    {
      name: "half minutes",
      text: windows(`${WORKING_SET}{duration_seconds="30"} 1`),
      problem: "has no window of 60 s where one belongs",
    },
    {
      name: "no duration",
      text: windows(`${WORKING_SET}{duration="60"} 1`),
      problem: "has no window of 60 s where one belongs",
    },
    {
      name: "not a number",
      text: windows(`${WORKING_SET}{duration_seconds="60"} NaN`),
      problem: "is NaN",
    },
    {
      name: "a counter",
      text: windows(`# TYPE ${WORKING_SET} counter`) + lfc([1]),
      problem: "is a counter, expected a gauge",
    },
  ])("$name", ({ text, problem }) => {
    const metrics = { system: SYSTEM, lfc: null };
    const problems = [`${WORKING_SET} ${problem}`];
    expect(parseLegacyMetrics(PAGE + text, BOTH)).toEqual({ ok: true, metrics, problems });
  });
});

describe("host metrics that do not fit are left out, with the problem in words", () => {
  const edit = (from: string | RegExp, to: string) => PAGE.replace(from, to);
  test.for([
    { name: "nothing", page: "", problem: "host_load1 is missing" },
    {
      name: "a metric missing",
      page: edit(/host_load5.*\n/, ""),
      problem: "host_load5 is missing",
    },
    {
      name: "one twice",
      page: `${PAGE}host_load5 1\n`,
      problem: "host_load5 has 2 samples instead of one",
    },
    { name: "not a number", page: edit("0.25", "NaN"), problem: "host_load5 is NaN" },
    { name: "infinite", page: edit("0.25", "+Inf"), problem: "host_load5 is Infinity" },
    { name: "negative", page: edit("0.25", "-1"), problem: "host_load5 is -1" },
    {
      name: "a counter",
      page: edit("load1 gauge", "load1 counter"),
      problem: "host_load1 is a counter, expected a gauge",
    },
  ])("$name", ({ page, problem }) => {
    const metrics = { system: null, lfc: null };
    const read = { ok: true, metrics, problems: [problem] };
    expect(parseLegacyMetrics(page, ["system"])).toEqual(read);
  });

  test("both kinds wrong", () => {
    const page = edit("0.25", "NaN") + lfc([2]);
    const problems = [
      "host_load5 is NaN",
      `${WORKING_SET} has no window of 60 s where one belongs`,
    ];
    const metrics = { system: null, lfc: null };
    expect(parseLegacyMetrics(page, BOTH)).toEqual({ ok: true, metrics, problems });
  });
});

describe("what is not this format is a problem as a whole", () => {
  test.for([
    {
      name: "no value",
      page: PAGE.replace("0.25", "x"),
      problem: "line 4: expected a number as the value",
    },
    {
      name: "not this format",
      page: "<html>\n",
      problem: "line 1: expected the name of a metric",
    },
  ])("$name", ({ page, problem }) => {
    expect(parseLegacyMetrics(page, BOTH)).toEqual({ ok: false, problem });
  });
});

test("never throws, and names no number that a VM can't have, whatever a guest writes", () => {
  const names = ["host_load1", "host_load5", "host_memory_total_bytes", `${WORKING_SET}{`];
  const near = fc.tuple(fc.constantFrom(...names), fc.constantFrom(" ", "} "), fc.double());
  const line = fc.oneof(
    fc.string(),
    near.map((parts) => parts.join("")),
    fc.constant(PAGE),
  );
  fc.assert(
    fc.property(fc.array(line), (lines) => {
      const read = parseLegacyMetrics(`${lines.join("\n")}\n`, BOTH);
      const system = read.ok ? read.metrics.system : null;
      for (const value of Object.values(system ?? {})) expect(value).toSatisfy(Number.isFinite);
    }),
    RUNS,
  );
});
