// CSV as programs write it (RFC 4180): quotes, any line ends, a byte order mark, empty lines. Cells and their lines.

/** `line`: where it begins in the text, from 1. */
export type Row = Readonly<{ line: number; cells: readonly string[] }>;

export type Rows =
  | Readonly<{ ok: true; rows: readonly Row[] }>
  | Readonly<{ ok: false; line: number; problem: string }>;

/** Empty lines are no rows. Spaces around a cell do not count. */
export function rowsOf(text: string): Rows {
  const lines = text.replace(/^\uFEFF/, "").split(/\r\n|\n|\r/);
  const rows: Row[] = [];
  for (const [index, content] of lines.entries()) {
    if (content.trim() === "") continue;
    const cells = content.includes('"') ? quotedCells(content) : content.split(",");
    if (cells === null) {
      const problem = "a quote that is not closed, or text behind a closed one";
      return { ok: false, line: index + 1, problem };
    }
    rows.push({ line: index + 1, cells: cells.map((cell) => cell.trim()) });
  }
  return { ok: true, rows };
}

const CELL = /\s*(?:"((?:[^"]|"")*)"\s*|([^",]*))(,|$)/y;

/** null: the quotes do not match. A number never has a line end inside, so a cell ends with its line. */
function quotedCells(content: string): string[] | null {
  const cells: string[] = [];
  const cell = new RegExp(CELL);
  for (;;) {
    const match = cell.exec(content);
    if (match === null) return null;
    cells.push(match[1]?.replaceAll('""', '"') ?? match[2] ?? "");
    if (match[3] === "") return cells;
  }
}
