// Reads the Prometheus text format (version 0.0.4). For scraping a guest, which may write anything: it never throws, takes
// time in proportion to the text, and keeps only the samples of wanted names. Who calls it bounds the text.

export type Sample = Readonly<{
  name: string;
  labels: ReadonlyMap<string, string>;
  value: number;
}>;

export type Parsed =
  | Readonly<{
      ok: true;
      samples: readonly Sample[];
      /** What `# TYPE` says of wanted names: "gauge", "counter", … */
      types: ReadonlyMap<string, string>;
    }>
  | Readonly<{ ok: false; problem: string; line: number }>;

/** A page of one VM has under a hundred wanted samples. */
export const MAX_SAMPLES = 1_000;
/** No number needs more digits; a longer word is nonsense. */
const MAX_NUMBER_CHARS = 64;

const METRIC_NAME = /[a-zA-Z_:][a-zA-Z0-9_:]*/y;
const LABEL_NAME = /[a-zA-Z_][a-zA-Z0-9_]*/y;
const WORD = /[^ \t]+/y;
const BLANKS = /[ \t]*/y;
const TYPE_COMMENT = /^#[ \t]+TYPE[ \t]+([a-zA-Z_:][a-zA-Z0-9_:]*)[ \t]+([a-z]+)[ \t]*$/;
// Each alternative begins differently, so that a long word of digits is read once.
const DECIMAL = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/;
const INFINITE = /^[+-]?inf(?:inity)?$/i;
const TIMESTAMP = /^-?\d{1,19}$/;

/** Where reading has come to in one line. The only thing here that changes. */
type Cursor = { readonly line: string; at: number };

/** What is wrong with a line. Says nothing of what the guest wrote: it goes to the log. */
type Problem = Readonly<{ problem: string }>;

export function parsePrometheusText(text: string, wanted: ReadonlySet<string>): Parsed {
  const samples: Sample[] = [];
  const types = new Map<string, string>();
  let number = 0;
  for (let start = 0; start < text.length;) {
    number += 1;
    const end = text.indexOf("\n", start);
    // As for deployed agents: half a number is worse than none.
    if (end === -1) return { ok: false, problem: "the text ends in mid-line", line: number };
    const line = text.slice(start, text[end - 1] === "\r" && end > start ? end - 1 : end);
    start = end + 1;
    const read = readLine(line, wanted, types);
    if (read === null) continue;
    if ("problem" in read) return { ok: false, problem: read.problem, line: number };
    if (!wanted.has(read.name)) continue;
    if (samples.length === MAX_SAMPLES) {
      return { ok: false, problem: `more than ${MAX_SAMPLES} samples`, line: number };
    }
    samples.push(read);
  }
  return { ok: true, samples, types };
}

/** null: nothing to keep (blank or a comment). */
function readLine(
  line: string,
  wanted: ReadonlySet<string>,
  types: Map<string, string>,
): Sample | Problem | null {
  const cursor: Cursor = { line, at: 0 };
  take(cursor, BLANKS);
  if (cursor.at === line.length) return null;
  if (line[cursor.at] === "#") {
    const [, name, type] = TYPE_COMMENT.exec(line.slice(cursor.at)) ?? [];
    if (name !== undefined && type !== undefined && wanted.has(name)) types.set(name, type);
    return null;
  }
  return readSample(cursor);
}

function readSample(cursor: Cursor): Sample | Problem {
  const name = take(cursor, METRIC_NAME);
  if (name === "") return { problem: "expected the name of a metric" };
  take(cursor, BLANKS);
  const labels = cursor.line[cursor.at] === "{" ? readLabels(cursor) : new Map<string, string>();
  if ("problem" in labels) return labels;
  take(cursor, BLANKS);
  const value = readNumber(take(cursor, WORD));
  if (value === null) return { problem: "expected a number as the value" };
  take(cursor, BLANKS);
  const timestamp = take(cursor, WORD); // says nothing that we need
  if (timestamp !== "" && !TIMESTAMP.test(timestamp)) return { problem: "expected a timestamp" };
  take(cursor, BLANKS);
  if (cursor.at < cursor.line.length) return { problem: "expected nothing after the timestamp" };
  return { name, labels, value };
}

/** From "{" to behind "}". A comma may follow the last label. */
function readLabels(cursor: Cursor): ReadonlyMap<string, string> | Problem {
  const labels = new Map<string, string>();
  cursor.at += 1;
  for (;;) {
    take(cursor, BLANKS);
    if (skip(cursor, "}")) return labels;
    const name = take(cursor, LABEL_NAME);
    if (name === "") return { problem: "expected the name of a label" };
    if (labels.has(name)) return { problem: "a label is there twice" };
    take(cursor, BLANKS);
    if (!skip(cursor, "=")) return { problem: "expected = after the name of a label" };
    take(cursor, BLANKS);
    if (!skip(cursor, '"')) return { problem: "expected a quoted value of a label" };
    const value = readQuoted(cursor);
    if (value === null) return { problem: "the value of a label does not end" };
    labels.set(name, value);
    take(cursor, BLANKS);
    if (!skip(cursor, ",") && cursor.line[cursor.at] !== "}") {
      return { problem: "expected , or } after a label" };
    }
  }
}

const ESCAPED: ReadonlyMap<string, string> = new Map([
  ["\\", "\\"],
  ['"', '"'],
  ["n", "\n"],
]);

/** From behind the opening quote to behind the closing one; null when there is none. */
function readQuoted(cursor: Cursor): string | null {
  const { line } = cursor;
  let value = "";
  let from = cursor.at;
  for (let at = from; at < line.length; at += 1) {
    if (line[at] === '"') {
      cursor.at = at + 1;
      return value + line.slice(from, at);
    }
    if (line[at] !== "\\") continue;
    const escaped = ESCAPED.get(line[at + 1] ?? "");
    if (escaped === undefined) return null;
    value += line.slice(from, at) + escaped;
    at += 1;
    from = at + 1;
  }
  return null;
}

function readNumber(word: string): number | null {
  if (word.length > MAX_NUMBER_CHARS) return null;
  if (DECIMAL.test(word)) return Number(word);
  if (INFINITE.test(word)) return word.startsWith("-") ? -Infinity : Infinity;
  return /^nan$/i.test(word) ? NaN : null;
}

/** What matches here, and moves behind it; "" when nothing does. `pattern` is sticky. */
function take(cursor: Cursor, pattern: RegExp): string {
  pattern.lastIndex = cursor.at;
  const found = pattern.exec(cursor.line)?.[0] ?? "";
  cursor.at += found.length;
  return found;
}

function skip(cursor: Cursor, char: string): boolean {
  if (cursor.line[cursor.at] !== char) return false;
  cursor.at += 1;
  return true;
}
