import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseLegacyMetrics } from "./metrics.ts";

const PAGE = `# HELP host_load1 System load averaged over the last 1 second.
# TYPE host_load1 gauge
host_load1{host="a",collector="load"} 0.34 1700000000000
host_load5 0.25
host_memory_total_bytes 4.294967296e9
host_memory_available_bytes 3e9\r
host_memory_cached_bytes 1000000
something_else{path="C:\\\\x",quote="\\"",line="a\\nb"} +Inf
`;
const lfc = (minutes: readonly number[]) =>
  minutes
    .map(
      (m) => `lfc_approximate_working_set_size_windows{duration_seconds="${m * 60}"} ${m * 10}\n`,
    )
    .join("");

test("reads a page as the deployed exporter writes it", () => {
  expect(parseLegacyMetrics(PAGE)).toEqual({
    ok: true,
    metrics: {
      system: {
        load1: 0.34,
        load5: 0.25,
        memTotalBytes: 4294967296,
        memUsageBytes: 4294967296 - 3e9 + 100 * 1024 * 1024,
        memCachedBytes: 1000000,
      },
      lfc: null,
    },
  });
});

test("sorts the working-set windows and takes them only in steps of a minute", () => {
  const good = parseLegacyMetrics(PAGE + lfc([2, 1, 3]));
  expect(good).toMatchObject({ metrics: { lfc: { workingSetPagesPerMinute: [10, 20, 30] } } });
  expect(parseLegacyMetrics(PAGE + lfc([1, 3]))).toEqual({
    ok: false,
    problem: "lfc_approximate_working_set_size_windows has no window of 120 s where one belongs",
  });
});

describe("a page that does not fit is a problem in words", () => {
  test.for([
    {
      name: "a missing metric",
      page: PAGE.replace(/host_load5.*\n/, ""),
      problem: "host_load5 is missing",
    },
    {
      name: "one twice",
      page: `${PAGE}host_load5 1\n`,
      problem: "host_load5 has 2 samples instead of one",
    },
    { name: "not a number", page: PAGE.replace("0.25", "NaN"), problem: "host_load5 is NaN" },
    {
      name: "no value",
      page: PAGE.replace("0.25", "x"),
      problem: "line 4: host_load5 is malformed",
    },
    {
      name: "open labels",
      page: PAGE.replace('load"}', "load}"),
      problem: "line 3: host_load1 is malformed",
    },
    { name: "not this format", page: "<html>", problem: "line 1: not a metric" },
    { name: "nothing", page: "", problem: "host_load1 is missing" },
  ])("$name", ({ page, problem }) => {
    expect(parseLegacyMetrics(page)).toEqual({ ok: false, problem });
  });
});

test("never throws, whatever a guest writes", () => {
  const line = fc.oneof(
    fc.string(),
    fc
      .tuple(fc.constantFrom("host_load1", "host_load5"), fc.string())
      .map((parts) => parts.join("")),
  );
  fc.assert(
    fc.property(fc.array(line), (lines) => {
      expect(typeof parseLegacyMetrics(lines.join("\n")).ok).toBe("boolean");
    }),
  );
});
