// What `compare` prints: the table of scores and the table of differences to the baseline.
import { type Interval } from "@selfscale/evaluation";
import { type Billing } from "./options.ts";
import { type Row } from "./summary.ts";
import { alignedTable, figure, markdownTable, type Table } from "./table.ts";

export type Group = Readonly<{
  /** "synthetic" or "traces". */
  name: string;
  workloads: number;
  sources: number;
  hours: number;
  rows: readonly Row[];
}>;

export type ReportOptions = Readonly<{ baseline: string; billing: Billing; isMarkdown: boolean }>;

export function showGroups(groups: readonly Group[], options: ReportOptions): string {
  return groups.map((group) => showGroup(group, options)).join("\n");
}

function showGroup(group: Group, { baseline, billing, isMarkdown }: ReportOptions): string {
  const { name, workloads, sources, hours, rows } = group;
  const bill = billing === "unit" ? ", J with the unit bill" : "";
  const what = `${name}: ${workloads} workloads of ${sources} sources, ${figure(hours)} h${bill}`;
  const table = isMarkdown ? markdownTable : alignedTable;
  const versus = `against ${baseline}, 95 % intervals; × is a ratio, the others are differences`;
  const title = (text: string) => (isMarkdown ? `${text}\n\n` : `${text}\n`);
  return `${title(what)}${table(scores(rows))}\n${title(versus)}${table(differences(rows))}`;
}

function scores(rows: readonly Row[]): Table {
  return {
    head: [
      ...["policy", "prov ×", "unit bill ×", "J ×", "OOM", "resizes/h"],
      ...["delay ms", "p99 ms", "refault GiB"],
    ],
    rows: rows.map((row) => [
      row.policy,
      ...[row.provisioned, row.unitBill, row.cost].map(figure),
      String(row.oomKills),
      ...[row.resizesPerHour, row.meanDelayMs, row.p99DelayMs, row.missGib].map(figure),
    ]),
  };
}

function differences(rows: readonly Row[]): Table {
  return {
    head: [
      ...["policy", "J ×", "prov ×", "unit bill ×", "OOM/run", "resizes/h"],
      ...["delay ms", "p99 ms", "refault GiB"],
    ],
    rows: rows.flatMap(({ policy, versus }) =>
      versus === null
        ? []
        : [
            [
              policy,
              ...[versus.cost, versus.provisioned, versus.unitBill, versus.oomKills].map(shown),
              ...[versus.resizesPerHour, versus.meanDelayMs].map(shown),
              ...[versus.p99DelayMs, versus.missGib].map(shown),
            ],
          ],
    ),
  };
}

function shown({ mean, low, high }: Interval): string {
  return `${figure(mean)} [${figure(low)}, ${figure(high)}]`;
}
