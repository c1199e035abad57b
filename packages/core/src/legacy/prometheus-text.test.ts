import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MAX_SAMPLES, parsePrometheusText } from "./prometheus-text.ts";

/** SEED=n replays another stream of random inputs. */
const RUNS = { seed: Number(process.env["SEED"] ?? 17), numRuns: 1000 };

const WANTED = new Set(["a"]);
const parse = (text: string) => parsePrometheusText(text, WANTED);

/** The one sample of a line. */
function sampleOf(line: string) {
  const parsed = parse(`${line}\n`);
  if (!parsed.ok) throw new Error(parsed.problem);
  const [sample] = parsed.samples;
  return { labels: Object.fromEntries(sample?.labels ?? []), value: sample?.value };
}

describe("a sample", () => {
  test.for([
    { line: "a 1", labels: {}, value: 1 },
    { line: "  a\t 1  ", labels: {}, value: 1 },
    { line: "a 1 1700000000000", labels: {}, value: 1 },
    { line: "a 1 -5", labels: {}, value: 1 },
    { line: "a{} 1", labels: {}, value: 1 },
    { line: 'a{x="1"}2', labels: { x: "1" }, value: 2 },
    { line: 'a { x = "1" , y = "2" , } 3', labels: { x: "1", y: "2" }, value: 3 },
    { line: 'a{x=""} 1', labels: { x: "" }, value: 1 },
    { line: 'a{x="},{ #"} 1', labels: { x: "},{ #" }, value: 1 },
    { line: String.raw`a{x="\\ \" \n"} 1`, labels: { x: '\\ " \n' }, value: 1 },
    { line: String.raw`a{x="\\"} 1`, labels: { x: "\\" }, value: 1 },
    { line: 'a{__proto__="x"} 1', labels: { ["__proto__"]: "x" }, value: 1 },
    { line: "a -1.5e-3", labels: {}, value: -0.0015 },
    { line: "a +.5", labels: {}, value: 0.5 },
    { line: "a 5.", labels: {}, value: 5 },
    { line: "a NaN", labels: {}, value: NaN },
    { line: "a +Inf", labels: {}, value: Infinity },
    { line: "a -Inf", labels: {}, value: -Infinity },
    { line: "a 1e999", labels: {}, value: Infinity },
    { line: "a 1\r", labels: {}, value: 1 },
  ])("$line", ({ line, labels, value }) => {
    expect(sampleOf(line)).toEqual({ labels, value });
  });
});

describe("a malformed line is a problem with its number", () => {
  test.for([
    { line: "1", problem: "expected the name of a metric" },
    { line: "{} 1", problem: "expected the name of a metric" },
    { line: "a", problem: "expected a number as the value" },
    { line: "a x", problem: "expected a number as the value" },
    { line: "a 0x10", problem: "expected a number as the value" },
    { line: "a 1_000", problem: "expected a number as the value" },
    { line: "a .", problem: "expected a number as the value" },
    { line: "a 1e", problem: "expected a number as the value" },
    { line: `a ${"1".repeat(65)}`, problem: "expected a number as the value" },
    { line: "a 1 x", problem: "expected a timestamp" },
    { line: "a 1 1.5", problem: "expected a timestamp" },
    { line: "a 1 2 3", problem: "expected nothing after the timestamp" },
    { line: "a{", problem: "expected the name of a label" },
    { line: "a{,} 1", problem: "expected the name of a label" },
    { line: "a{1x} 1", problem: "expected the name of a label" },
    { line: "a{x} 1", problem: "expected = after the name of a label" },
    { line: "a{x=1} 1", problem: "expected a quoted value of a label" },
    { line: 'a{x="1} 1', problem: "the value of a label does not end" },
    { line: String.raw`a{x="\q"} 1`, problem: "the value of a label does not end" },
    { line: 'a{x="1\\', problem: "the value of a label does not end" },
    { line: 'a{x="1" y="2"} 1', problem: "expected , or } after a label" },
    { line: 'a{x="1",x="2"} 1', problem: "a label is there twice" },
    { line: "unwanted lines count too", problem: "expected a number as the value" },
  ])("$line", ({ line, problem }) => {
    expect(parse(`# one\n\n${line}\n`)).toEqual({ ok: false, problem, line: 3 });
  });

  test("a text cut off in mid-line is refused: its last number may be half of one", () => {
    const problem = "the text ends in mid-line";
    expect(parse("a 1\na 12345")).toEqual({ ok: false, problem, line: 2 });
  });

  test("too many wanted samples", () => {
    expect(parse("a 1\n".repeat(MAX_SAMPLES))).toMatchObject({ ok: true });
    const problem = `more than ${MAX_SAMPLES} samples`;
    const line = MAX_SAMPLES + 1;
    expect(parse("a 1\n".repeat(line))).toEqual({ ok: false, problem, line });
  });
});

test("keeps the samples and types of wanted names only, and any comment passes", () => {
  const text = [
    "# TYPE a gauge",
    "# TYPE b counter",
    "# HELP a TYPE a counter",
    "#TYPE a counter",
    "# TYPE a",
    "#",
    "b 2",
    "a 1",
    "",
  ];
  expect(parse(text.join("\n"))).toEqual({
    ok: true,
    samples: [{ name: "a", labels: new Map(), value: 1 }],
    types: new Map([["a", "gauge"]]),
  });
  expect(parse("")).toEqual({ ok: true, samples: [], types: new Map() });
});

test("reads back whatever labels and values a sound exporter writes", () => {
  const escape = (value: string) =>
    value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
  const labels = fc.dictionary(fc.stringMatching(/^[a-zA-Z_][a-zA-Z0-9_]{0,9}$/), fc.string());
  fc.assert(
    fc.property(labels, fc.double({ noNaN: true }), (labels, value) => {
      const inside = Object.entries(labels).map(([name, text]) => `${name}="${escape(text)}"`);
      const parsed = parse(`a{${inside.join(",")}} ${value}\n`);
      // Negative zero is written as 0.
      const sample = { name: "a", labels: new Map(Object.entries(labels)), value: value + 0 };
      expect(parsed).toEqual({ ok: true, samples: [sample], types: new Map() });
    }),
    RUNS,
  );
});

test("never throws, whatever a guest writes", () => {
  const piece = fc.oneof(
    fc.string(),
    fc.constantFrom("a", "{", "}", '"', "\\", "=", ",", " ", "\t", "\r\n", "\n", "#", "1", "NaN"),
  );
  fc.assert(
    fc.property(fc.array(piece), (pieces) => {
      const parsed = parse(pieces.join(""));
      if (!parsed.ok) expect(parsed.line).toBeGreaterThan(0);
    }),
    RUNS,
  );
});

// A megabyte is what the agent reads at most. Each of these is the worst for some careless way to read it.
test.for([
  { name: "digits", text: `a ${"1".repeat(2 ** 20)}x\n` },
  { name: "an open label", text: `a{x="${"y".repeat(2 ** 20)}\n` },
  { name: "escapes", text: `a{x="${"\\\\".repeat(2 ** 19)}"} 1\n` },
  { name: "blanks", text: `a ${" ".repeat(2 ** 20)}\n` },
  {
    name: "labels",
    text: `a{${Array.from({ length: 100_000 }, (_, i) => `x${i}="",`).join("")}} 1\n`,
  },
  { name: "lines", text: "b 1\n".repeat(2 ** 18) },
])("a megabyte of $name is read to its end", ({ text }) => {
  expect(typeof parse(text).ok).toBe("boolean");
});
