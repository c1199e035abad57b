// Text of a CSV file → trace. What is wrong is named by line and column; what may be repaired is, and is told.
import { rowsOf, type Row } from "./cells.ts";
import { readHeader, REQUESTS, type Column, type Quantity } from "./columns.ts";
import { type ParsedTrace, type Trace, type TraceProblem } from "./trace.ts";

/** A longer gap is no gap but a part that nobody measured. */
export const MAX_GAP_INTERVALS = 12;
/** Farther apart than this many intervals, something is missing between two points. */
const GAP_FROM = 1.5;
/** What is above the most by less than this share is a rounding error. */
const ROUNDING_SHARE = 0.05;
/** Where requests stand for CPU: this quantile of them is this share of the machine. */
const BUSY_QUANTILE = 0.995;
const BUSY_SHARE = 0.8;

type Values = ReadonlyMap<Quantity, Float64Array>;
type Table = Readonly<{ columns: readonly Column[]; rows: readonly Row[] }>;
type Result<T> = Readonly<{ ok: true; value: T }> | (Readonly<{ ok: false }> & TraceProblem);

export function parseTrace(text: string): ParsedTrace {
  const table = readTable(text);
  if (!table.ok) return table;
  const notes: string[] = [];
  const read = readValues(table.value, notes);
  if (!read.ok) return read;
  const { columns, rows } = table.value;
  const atSec = read.value.get("time") ?? new Float64Array();
  const interval = intervalOf(atSec);
  const gaps = findGaps({ rows, columns, atSec, interval }, notes);
  if (gaps !== null) return { ok: false, ...gaps };
  const start = atSec[0] ?? 0;
  const trace: Trace = {
    atSec: atSec.map((at) => at - start),
    intervalSec: interval,
    ...cpuOf(columns, read.value, notes),
    anonGib: read.value.get("anon") ?? null,
    workingSetGib: read.value.get("working-set") ?? null,
    readGibPerSec: read.value.get("reads") ?? null,
  };
  return { ok: true, trace, notes };
}

function readTable(text: string): Result<Table> {
  const split = rowsOf(text);
  if (!split.ok) return fault(split.line, null, split.problem);
  const [head, ...rows] = split.rows;
  if (head === undefined) return fault(1, null, "the file is empty, expected names of columns");
  const header = readHeader(head.cells);
  if (!header.ok) return fault(head.line, header.column, header.problem);
  const { columns } = header;
  for (const { line, cells } of rows) {
    if (cells.length === columns.length) continue;
    return fault(line, null, `found ${cells.length} cells, expected ${columns.length}`);
  }
  if (rows.length < 2) {
    const last = rows.at(-1)?.line ?? head.line;
    return fault(last, null, `found ${rows.length} rows of numbers, expected two or more`);
  }
  return { ok: true, value: { columns, rows } };
}

function readValues({ columns, rows }: Table, notes: string[]): Result<Values> {
  const values = new Map<Quantity, Float64Array>();
  for (const [index, column] of columns.entries()) {
    const read = new Float64Array(rows.length);
    let cut = 0;
    for (const [n, row] of rows.entries()) {
      const cell = row.cells[index] ?? "";
      const value = numberOf(cell);
      const problem = problemOf(column, cell, value);
      if (problem !== null) return fault(row.line, column.name, problem);
      if (value > column.most) cut += 1;
      read[n] = Math.min(value, column.most) * column.perUnit;
      if (column.quantity !== "time" || n === 0) continue;
      const order = orderProblem(cell, rows[n - 1]?.cells[index] ?? "");
      if (order !== null) return fault(row.line, column.name, order);
    }
    if (cut > 0)
      notes.push(`${column.name}: ${cut} values a little above ${column.most} cut to it`);
    values.set(column.quantity, read);
  }
  return { ok: true, value: values };
}

/** NaN for whatever is not written as a number: Number("") would be 0, and Number("0x10") 16. */
function numberOf(cell: string): number {
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(cell) ? Number(cell) : NaN;
}

function problemOf({ meaning, most }: Column, cell: string, value: number): string | null {
  const found = cell === "" ? "found nothing" : `found ${cell}`;
  if (!Number.isFinite(value)) return `${found}, expected a number (${meaning})`;
  if (value < 0) return `${found}, expected 0 or more (${meaning})`;
  if (value > most * (1 + ROUNDING_SHARE)) return `${found}, expected at most ${most} (${meaning})`;
  return null;
}

function orderProblem(cell: string, before: string): string | null {
  const step = Number(cell) - Number(before);
  if (step > 0) return null;
  const what = step === 0 ? "the same time again" : "a time before that of the line above";
  return `found ${cell}, ${what} (${before}), expected rising times`;
}

/** The median distance. */
function intervalOf(atSec: Float64Array): number {
  const steps = atSec.subarray(1).map((at, n) => at - (atSec[n] ?? 0));
  return steps.sort()[Math.floor((steps.length - 1) / 2)] ?? 1;
}

type Timed = Table & Readonly<{ atSec: Float64Array; interval: number }>;

/** Nothing has to be filled in: CPU holds until the next point, and memory is drawn to it anyway. */
function findGaps({ rows, columns, atSec, interval }: Timed, notes: string[]): TraceProblem | null {
  const time = columns.find(({ quantity }) => quantity === "time");
  const lines: number[] = [];
  for (let n = 1; n < atSec.length; n += 1) {
    const step = (atSec[n] ?? 0) - (atSec[n - 1] ?? 0);
    if (step <= GAP_FROM * interval) continue;
    const line = rows[n]?.line ?? 0;
    if (step > MAX_GAP_INTERVALS * interval) {
      const found = `found a gap of ${round(step)} s before it`;
      const most = `at most ${MAX_GAP_INTERVALS} of its intervals of ${round(interval)} s`;
      return { line, column: time?.name ?? null, problem: `${found}, expected ${most}` };
    }
    lines.push(line);
  }
  if (lines.length > 0) {
    const where = lines.length > 5 ? `${lines.slice(0, 5).join(", ")}, …` : lines.join(", ");
    const gaps = lines.length === 1 ? "1 gap" : `${lines.length} gaps`;
    notes.push(`${gaps} (before line ${where}): CPU held, memory drawn straight across`);
  }
  return null;
}

function cpuOf(
  columns: readonly Column[],
  values: Values,
  notes: string[],
): Pick<Trace, "cpu" | "cpuUnit"> {
  const cpu = values.get("cpu") ?? new Float64Array();
  const { name } = columns.find(({ quantity }) => quantity === "cpu") ?? { name: "" };
  if (name === "cpu") return { cpu, cpuUnit: "vcpus" };
  if (name !== REQUESTS) return { cpu, cpuUnit: "share" };
  const busy = cpu.slice().sort()[Math.ceil(BUSY_QUANTILE * cpu.length) - 1] ?? 0;
  const perRequest = busy > 0 ? BUSY_SHARE / busy : 0;
  notes.push(`${REQUESTS}: ${round(busy)} of them taken as ${100 * BUSY_SHARE} % of the machine`);
  return { cpu: cpu.map((one) => one * perRequest), cpuUnit: "share" };
}

function fault(
  line: number,
  column: string | null,
  problem: string,
): Readonly<{ ok: false }> & TraceProblem {
  return { ok: false, line, column, problem };
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}
