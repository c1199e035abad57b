// What psql prints with --csv: a heading, then rows.

/** As psql is told to print NULL: a text of that kind is taken for it. */
export const NULL_TEXT = "\\N";

/** Values by column name, as PostgreSQL prints them. */
export type Row = Readonly<Record<string, string | null>>;

/** The rows of one table. Text of several tables after another makes no sense here. */
export function readCsv(text: string): Row[] {
  const [heading, ...rows] = readLines(text);
  const names = heading ?? [];
  return rows.map((cells) => {
    if (cells.length !== names.length) throw new Error(`not one table of CSV: ${text}`);
    return Object.fromEntries(
      cells.map((cell, index) => [names[index], cell === NULL_TEXT ? null : cell]),
    ) as Row;
  });
}

/** A cell is quoted where it holds a comma, a quote or a line end, and quotes in it are doubled. */
const CELL = /(?:"((?:[^"]|"")*)"|([^",\n]*))(,|\n|$)/y;

function readLines(text: string): string[][] {
  const lines: string[][] = [];
  let line: string[] = [];
  CELL.lastIndex = 0;
  while (CELL.lastIndex < text.length) {
    const match = CELL.exec(text);
    if (match === null) throw new Error(`not CSV: ${text}`);
    const [, quoted, plain = "", end] = match;
    line.push(quoted?.replaceAll('""', '"') ?? plain);
    if (end === ",") continue;
    lines.push(line);
    line = [];
  }
  return lines;
}
