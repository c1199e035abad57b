import { expect, test } from "vitest";
import { parseTrace } from "./parse.ts";

const FIVE = "t_s,cpu\n0,1\n1,2\n2,3\n3,4\n4,5\n";

function traceOf(text: string) {
  const parsed = parseTrace(text);
  if (!parsed.ok) throw new Error(`line ${parsed.line}: ${parsed.problem}`);
  return parsed;
}

test.for([
  { name: "as usual", text: FIVE },
  { name: "CRLF", text: FIVE.replaceAll("\n", "\r\n") },
  { name: "a byte order mark", text: `\uFEFF${FIVE}` },
  { name: "no end of the last line", text: FIVE.trimEnd() },
  { name: "empty lines", text: `\n${FIVE.replace("1,2\n", "1,2\n\n  \n")}\n` },
  { name: "quotes", text: FIVE.replace("t_s,cpu", '"t_s","cpu"').replace("1,2", '"1","2"') },
  { name: "spaces", text: FIVE.replace("1,2", " 1 ,\t2") },
  { name: "a start at another time", text: "t_s,cpu\n70,1\n71,2\n72,3\n73,4\n74,5\n" },
  { name: "milliseconds", text: "t_ms,cpu\n5,1\n1005,2\n2005,3\n3005,4\n4005,5\n" },
])("reads $name", ({ text }) => {
  const { trace, notes } = traceOf(text);
  expect(notes).toEqual([]);
  expect([...trace.atSec].map((at) => Number(at.toFixed(9)))).toEqual([0, 1, 2, 3, 4]);
  expect([...trace.cpu]).toEqual([1, 2, 3, 4, 5]);
  expect(trace.intervalSec).toBeCloseTo(1, 9);
});

test("reads every unit", () => {
  const { trace } = traceOf(
    "t_s,cpu_pct,mem_mib,cache_bytes,read_mib_s\n0,50,512,1073741824,1024\n300,25,1024,0,0\n",
  );
  expect(trace.cpuUnit).toBe("share");
  expect([...trace.cpu]).toEqual([0.5, 0.25]);
  expect([...(trace.anonGib ?? [])]).toEqual([0.5, 1]);
  expect([...(trace.workingSetGib ?? [])]).toEqual([1, 0]);
  expect([...(trace.readGibPerSec ?? [])]).toEqual([1, 0]);
});

test("requests: the 99.5th percentile is 80 % of the machine", () => {
  const rows = Array.from({ length: 1000 }, (_, n) => `${n * 300},${n + 1}`).join("\n");
  const { trace, notes } = traceOf(`t_s,requests_per_5min\n${rows}\n`);
  expect(trace.cpu[994]).toBeCloseTo(0.8, 9);
  expect(trace.cpu[0]).toBeCloseTo(0.8 / 995, 9);
  expect(notes).toEqual(["requests_per_5min: 995 of them taken as 80 % of the machine"]);
});

test("a gap is told, and neither CPU nor memory is made up", () => {
  const { trace, notes } = traceOf("t_s,cpu\n0,1\n1,2\n2,2\n10,3\n11,4\n13,4\n14,4\n");
  expect(notes).toEqual(["2 gaps (before line 5, 7): CPU held, memory drawn straight across"]);
  expect([...trace.atSec]).toEqual([0, 1, 2, 10, 11, 13, 14]);
});

test("a rounding error above 100 % is cut, and told", () => {
  const { trace, notes } = traceOf("t_s,cpu_pct\n0,100.4\n300,99\n");
  expect([...trace.cpu]).toEqual([1, 0.99]);
  expect(notes).toEqual(["cpu_pct: 1 values a little above 100 cut to it"]);
});

test.for([
  { name: "nothing", text: "", at: [1, null], says: "the file is empty" },
  { name: "only empty lines", text: "\n\n", at: [1, null], says: "the file is empty" },
  { name: "no rows", text: "t_s,cpu\n", at: [1, null], says: "found 0 rows of numbers" },
  { name: "one row", text: "t_s,cpu\n0,1\n", at: [2, null], says: "found 1 rows of numbers" },
  { name: "no header", text: "0,1\n1,2\n", at: [1, "0"], says: "found the number 0, expected" },
  { name: "no time", text: "cpu\n1\n2\n", at: [1, null], says: "no column t_s or t_ms; found cpu" },
  { name: "no CPU", text: "t_s,mem_gib\n0,1\n", at: [1, null], says: "no column cpu or cpu_pct" },
  { name: "another column", text: "t_s,cpu,disk\n0,1,1\n", at: [1, "disk"], says: "is not known" },
  {
    name: "another unit",
    text: "t_s,cpu,mem_kb\n0,1,1\n",
    at: [1, "mem_kb"],
    says: "expected another unit: mem_gib, mem_mib, mem_bytes",
  },
  { name: "a nameless column", text: "t_s,,cpu\n", at: [1, "column 2"], says: "has no name" },
  { name: "a column twice", text: "t_s,cpu,cpu\n", at: [1, "cpu"], says: "is there twice" },
  { name: "two CPUs", text: "t_s,cpu,cpu_pct\n", at: [1, "cpu_pct"], says: "says the same as cpu" },
  { name: "semicolons", text: "t_s;cpu\n0;1\n", at: [1, "t_s;cpu"], says: "expected commas" },
  {
    name: "a short row",
    text: "t_s,cpu\n0,1\n1\n",
    at: [3, null],
    says: "found 1 cells, expected 2",
  },
  { name: "a long row", text: "t_s,cpu\n0,1\n1,2,3\n", at: [3, null], says: "found 3 cells" },
  {
    name: "NaN",
    text: "t_s,cpu\n0,1\n\n1,NaN\n",
    at: [4, "cpu"],
    says: "found NaN, expected a number",
  },
  { name: "Infinity", text: "t_s,cpu\n0,Infinity\n1,2\n", at: [2, "cpu"], says: "found Infinity" },
  { name: "beyond doubles", text: "t_s,cpu\n0,1e999\n1,2\n", at: [2, "cpu"], says: "found 1e999" },
  { name: "an empty cell", text: "t_s,cpu\n0,\n1,2\n", at: [2, "cpu"], says: "found nothing" },
  { name: "hexadecimal", text: "t_s,cpu\n0,0x10\n1,2\n", at: [2, "cpu"], says: "found 0x10" },
  { name: "a unit in a cell", text: "t_s,cpu\n0,5%\n1,2\n", at: [2, "cpu"], says: "found 5%" },
  { name: "below 0", text: "t_s,cpu\n0,-0.5\n1,2\n", at: [2, "cpu"], says: "expected 0 or more" },
  { name: "time below 0", text: "t_s,cpu\n-1,1\n1,2\n", at: [2, "t_s"], says: "found -1" },
  {
    name: "far above 100 %",
    text: "t_s,cpu_pct\n0,180\n1,2\n",
    at: [2, "cpu_pct"],
    says: "at most 100",
  },
  {
    name: "time going back",
    text: "t_s,cpu\n5,1\n4,2\n",
    at: [3, "t_s"],
    says: "a time before that",
  },
  {
    name: "a time twice",
    text: "t_s,cpu\n5,1\n5,2\n",
    at: [3, "t_s"],
    says: "the same time again",
  },
  {
    name: "an open quote",
    text: 't_s,cpu\n0,"1\n1,2\n',
    at: [2, null],
    says: "a quote that is not",
  },
  {
    name: "text behind a quote",
    text: 't_s,cpu\n0,"1"2\n',
    at: [2, null],
    says: "behind a closed",
  },
  {
    name: "a gap too long",
    text: "t_s,cpu\n0,1\n1,1\n2,1\n15,1\n",
    at: [5, "t_s"],
    says: "found a gap of 13 s before it, expected at most 12 of its intervals of 1 s",
  },
])("refuses $name", ({ text, at, says }) => {
  const parsed = parseTrace(text);
  if (parsed.ok) throw new Error("was read");
  expect([parsed.line, parsed.column]).toEqual(at);
  expect(parsed.problem).toContain(says);
});

test("twelve intervals are still a gap that may be bridged", () => {
  expect(traceOf("t_s,cpu\n0,1\n1,1\n2,1\n14,1\n").notes).toHaveLength(1);
});
