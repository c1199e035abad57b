// The table is legend, scores and readout at once: a row for each policy with its switch, what the whole run cost, what
// the visible part cost, and what there is under the cursor.
import { type PageData } from "../src/replay/chart/page-data.ts";
import { figure } from "./format.ts";
import { largest, total, type Range, type Series } from "./series.ts";
import { colorOf } from "./theme.ts";

export type ScoreTable = Readonly<{
  showView: (range: Range) => void;
  /** null: the cursor is elsewhere. */
  showCursor: (tick: number | null) => void;
  paint: () => void;
}>;

const IN_VIEW = [
  { name: "paid CU·h", help: "in the visible part" },
  { name: "wasted", help: "share of it that paid for more than was needed at that moment" },
  { name: "worst wait ms", help: "longest wait of work in the visible part" },
];
const AT_CURSOR = [
  { name: "vCPU", help: "at the cursor" },
  { name: "GiB", help: "at the cursor" },
  { name: "wait ms", help: "at the cursor" },
];

export function makeTable(
  data: PageData,
  series: Series,
  onToggle: (policy: number, isShown: boolean) => void,
): ScoreTable {
  const table = element("table", { id: "scores" });
  table.append(headOf(data));
  const body = element("tbody", {});
  const rows = data.policies.map((policy, index) => {
    const { row, swatch, cells } = rowOf(policy.name, policy.scores, (isShown) => {
      row.classList.toggle("off", !isShown);
      onToggle(index, isShown);
    });
    body.append(row);
    return { swatch, cells };
  });
  const demand = demandRow(data.scoreHead.length);
  body.append(demand.row);
  table.append(body);
  document.getElementById("table")?.append(table);
  return {
    showView: (range) => {
      for (const [index, { cells }] of rows.entries())
        fill(cells, 0, viewOf(data, series, index, range));
    },
    showCursor: (tick) => {
      for (const [index, { cells }] of rows.entries()) {
        const one = series.policies[index];
        const values =
          tick === null || one === undefined ? null : [one.cpu, one.memGib, one.waitMs];
        fill(
          cells,
          IN_VIEW.length,
          AT_CURSOR.map((_, n) => shown(values?.[n], tick)),
        );
      }
      const values = tick === null ? null : [series.demand.cpu, series.demand.memGib];
      fill(
        demand.cells,
        0,
        AT_CURSOR.map((_, n) => shown(values?.[n], tick)),
      );
    },
    paint: () => {
      for (const [index, { swatch }] of rows.entries()) swatch.style.background = colorOf(index);
    },
  };
}

function shown(values: Float32Array | undefined, tick: number | null): string {
  return values === undefined || tick === null ? "" : figure(values[tick] ?? 0);
}

function viewOf({ tickSec }: PageData, series: Series, index: number, range: Range): string[] {
  const one = series.policies[index];
  if (one === undefined) return [];
  const paid = total(one.paid, range);
  const wasted = paid > 0 ? (100 * total(one.waste, range)) / paid : 0;
  return [
    figure((paid * tickSec) / 3600),
    `${wasted.toFixed(0)} %`,
    figure(largest(one.waitMs, range)),
  ];
}

function headOf({ scoreHead }: PageData): HTMLElement {
  const head = element("thead", {});
  const groups = element("tr", {});
  const group = (text: string, span: number) => {
    const cell = element("th", { scope: "colgroup" });
    cell.colSpan = span;
    cell.textContent = text;
    groups.append(cell);
  };
  groups.append(element("td", {}));
  group("whole run", scoreHead.length);
  group("in view", IN_VIEW.length);
  group("at the cursor", AT_CURSOR.length);
  const names = element("tr", {});
  for (const { name, help } of [
    { name: "policy", help: "" },
    ...scoreHead,
    ...IN_VIEW,
    ...AT_CURSOR,
  ]) {
    const cell = element("th", { scope: "col", title: help });
    cell.textContent = name;
    names.append(cell);
  }
  head.append(groups, names);
  return head;
}

function rowOf(name: string, scores: readonly string[], onToggle: (isShown: boolean) => void) {
  const row = element("tr", {});
  const head = element("th", { scope: "row" });
  const label = element("label", {});
  const box = element("input", { type: "checkbox" });
  box.checked = true;
  box.addEventListener("change", () => onToggle(box.checked));
  const swatch = element("span", { className: "swatch" });
  label.append(box, swatch, document.createTextNode(name));
  head.append(label);
  row.append(head, ...scores.map(cellOf));
  const cells = [...IN_VIEW, ...AT_CURSOR].map(() => cellOf(""));
  row.append(...cells);
  return { row, swatch, cells };
}

function demandRow(scores: number) {
  const row = element("tr", { className: "demand" });
  const head = element("th", { scope: "row" });
  head.append(element("span", { className: "swatch demand" }), document.createTextNode("demand"));
  const gap = cellOf("");
  gap.colSpan = scores + IN_VIEW.length;
  const cells = AT_CURSOR.map(() => cellOf(""));
  row.append(head, gap, ...cells);
  return { row, cells };
}

function cellOf(text: string): HTMLTableCellElement {
  const cell = element("td", {});
  cell.textContent = text;
  return cell;
}

function fill(cells: readonly HTMLElement[], from: number, texts: readonly string[]): void {
  for (const [n, text] of texts.entries()) {
    const cell = cells[from + n];
    if (cell !== undefined) cell.textContent = text;
  }
}

function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  properties: Partial<Record<"id" | "className" | "title" | "scope" | "type", string>>,
): HTMLElementTagNameMap[Tag] {
  return Object.assign(document.createElement(tag), properties);
}
