// Reads a page in Prometheus' text format, strictly: what is not in it is a mistake of the page.
export type Series = Readonly<{
  name: string;
  labels: Readonly<Record<string, string>>;
  value: number;
}>;

export type Family = Readonly<{ name: string; help: string; type: string; series: Series[] }>;

const SERIES = /^([a-z_:][a-z0-9_:]*)(?:\{(.*)\})? (\S+)$/i;
const LABEL = /([a-z_][a-z0-9_]*)="((?:[^"\\]|\\.)*)"(?:,|$)/gi;

export function readExposition(page: string): ReadonlyMap<string, Family> {
  if (!page.endsWith("\n")) throw new Error("the last line has no end");
  const families = new Map<string, Family>();
  let help: readonly string[] | null = null;
  let family: Family | null = null;
  for (const line of page.split("\n").filter((text) => text !== "")) {
    const [mark, word, name = "", ...rest] = line.split(" ");
    if (mark === "#" && word === "HELP") help = [name, rest.join(" ")];
    else if (mark === "#" && word === "TYPE") {
      if (help?.[0] !== name) throw new Error(`${name} has no HELP`);
      if (families.has(name)) throw new Error(`${name} is there twice`);
      family = { name, help: help[1] ?? "", type: rest.join(" "), series: [] };
      families.set(name, family);
    } else {
      const series = readSeries(line);
      if (family === null || !belongs(series.name, family)) throw new Error(`a stray ${line}`);
      family.series.push(series);
    }
  }
  return families;
}

function readSeries(line: string): Series {
  const match = SERIES.exec(line);
  if (match === null) throw new Error(`no series: ${line}`);
  const pairs = [...(match[2] ?? "").matchAll(LABEL)];
  if (pairs.map(([text]) => text).join("") !== (match[2] ?? "")) throw new Error(`labels: ${line}`);
  const labels = Object.fromEntries(pairs.map(([, name, value]) => [name ?? "", value ?? ""]));
  return { name: match[1] ?? "", labels, value: readValue(match[3] ?? "") };
}

function readValue(text: string): number {
  const value = text === "+Inf" ? Infinity : Number(text);
  if (Number.isNaN(value)) throw new Error(`no number: ${text}`);
  return value;
}

function belongs(name: string, { name: family, type }: Family): boolean {
  if (type !== "histogram") return name === family;
  return ["_bucket", "_sum", "_count"].some((end) => name === `${family}${end}`);
}
