// The columns that a trace may have: what they measure and in which unit.

export type Quantity = "time" | "cpu" | "anon" | "working-set" | "reads";

/** `perUnit`: seconds, vCPUs (or shares), GiB, GiB per second in one of this column's unit. */
export type Column = Readonly<{
  name: string;
  quantity: Quantity;
  perUnit: number;
  meaning: string;
  /** The most that makes sense; a little more is a rounding error and is cut. */
  most: number;
}>;

const MIB = 1 / 1024;
const BYTE = 1 / 1024 ** 3;

export const REQUESTS = "requests_per_5min";

export const COLUMNS: readonly Column[] = [
  column("t_s", "time", 1, "seconds"),
  column("t_ms", "time", 1 / 1000, "milliseconds"),
  column("cpu", "cpu", 1, "vCPUs of work"),
  { ...column("cpu_pct", "cpu", 1 / 100, "percent of the whole machine"), most: 100 },
  column(REQUESTS, "cpu", 1, "requests; the 99.5th percentile is taken as 80 % of the machine"),
  column("mem_gib", "anon", 1, "memory of processes, GiB"),
  column("mem_mib", "anon", MIB, "memory of processes, MiB"),
  column("mem_bytes", "anon", BYTE, "memory of processes, bytes"),
  column("cache_gib", "working-set", 1, "file pages in use, GiB"),
  column("cache_mib", "working-set", MIB, "file pages in use, MiB"),
  column("cache_bytes", "working-set", BYTE, "file pages in use, bytes"),
  column("read_mib_s", "reads", MIB, "how fast file pages are read, MiB per second"),
];

function column(name: string, quantity: Quantity, perUnit: number, meaning: string): Column {
  return { name, quantity, perUnit, meaning, most: Infinity };
}

export type Header =
  | Readonly<{ ok: true; columns: readonly Column[] }>
  | Readonly<{ ok: false; column: string | null; problem: string }>;

/** The first row: each name once, one of each quantity at most, time and CPU for certain. */
export function readHeader(cells: readonly string[]): Header {
  const columns: Column[] = [];
  for (const [index, name] of cells.entries()) {
    const known = COLUMNS.find((one) => one.name === name);
    const place = name === "" ? `column ${index + 1}` : name;
    if (known === undefined) return { ok: false, column: place, problem: unknown(name) };
    const rival = columns.find((one) => one.quantity === known.quantity);
    if (rival !== undefined) {
      const problem = rival === known ? "is there twice" : `says the same as ${rival.name}`;
      return { ok: false, column: place, problem };
    }
    columns.push(known);
  }
  for (const quantity of ["time", "cpu"] as const) {
    if (columns.some((one) => one.quantity === quantity)) continue;
    const names = namesOf(quantity).join(" or ");
    return { ok: false, column: null, problem: `no column ${names}; found ${cells.join(", ")}` };
  }
  return { ok: true, columns };
}

function unknown(name: string): string {
  if (/^-?[\d.]+$/.test(name)) {
    return `found the number ${name}, expected the names of columns in the first line`;
  }
  if (/[;\t|]/.test(name)) return "found another separator, expected commas between columns";
  const kin = COLUMNS.filter((one) => one.name.split("_")[0] === name.split("_")[0]);
  const others = (kin.length === 0 ? COLUMNS : kin).map((one) => one.name).join(", ");
  const what = name === "" ? "has no name" : "is not known";
  return `${what}; expected ${kin.length === 0 ? "one of " : "another unit: "}${others}`;
}

function namesOf(quantity: Quantity): string[] {
  return COLUMNS.filter((one) => one.quantity === quantity).map((one) => one.name);
}
