// Tables: aligned for a terminal, or Markdown for a document. The first column is text, the others are numbers.

export type Table = Readonly<{
  head: readonly string[];
  rows: readonly (readonly string[])[];
}>;

export function alignedTable({ head, rows }: Table): string {
  const widths = widthsOf([head, ...rows]);
  const lines = [head, ...rows].map((cells) =>
    cells
      .map((cell, n) => (n === 0 ? cell.padEnd(widths[n] ?? 0) : cell.padStart(widths[n] ?? 0)))
      .join("  ")
      .trimEnd(),
  );
  return `${lines.join("\n")}\n`;
}

export function markdownTable({ head, rows }: Table): string {
  const widths = widthsOf([head, ...rows]);
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, n) => (n === 0 ? cell.padEnd(widths[n] ?? 0) : cell.padStart(widths[n] ?? 0))).join(" | ")} |`;
  const rule = widths.map((width, n) =>
    n === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`,
  );
  return `${[line(head), `| ${rule.join(" | ")} |`, ...rows.map(line)].join("\n")}\n`;
}

function widthsOf(lines: readonly (readonly string[])[]): readonly number[] {
  const columns = Math.max(...lines.map((cells) => cells.length));
  return Array.from({ length: columns }, (_, n) =>
    Math.max(2, ...lines.map((cells) => cells[n]?.length ?? 0)),
  );
}

/** Enough digits to tell two results apart, and no more. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "-";
  const size = Math.abs(value);
  if (size >= 100) return value.toFixed(0);
  return size >= 10 ? value.toFixed(1) : value.toFixed(2);
}
