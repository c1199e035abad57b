// docs/policy.md lists every setting of the monitor's file with its default, in the words of the comments where it is defined.
// The list is printed by this test: run it with `-u` to write it anew.
import { ANTICIPATION_DEFAULTS, FILE_CACHE_DEFAULTS, PRESETS } from "@selfscale/core";
import fs from "node:fs";
import path from "node:path";
import { format } from "prettier";
import { expect, test } from "vitest";
import { createConfigSchema } from "./schema.ts";

const ROOT = path.join(import.meta.dirname, "../../../..");
const DOCUMENT = path.join(ROOT, "docs/policy.md");
const [BEGIN, END] = ["<!-- settings: begin -->\n", "<!-- settings: end -->"];

type Values = Readonly<Record<string, unknown>>;
type Comment = Readonly<{ name: string; text: string; tag: string | null }>;
type Row = Comment & Readonly<{ value: string; demo: string }>;
type Group = Readonly<{ title: string; rows: readonly Row[] }>;

const sourceOf = (file: string) => fs.readFileSync(path.join(ROOT, file), "utf8");
const [ofCpu = "", ofMemory = ""] = sourceOf("packages/core/src/policy/config.ts").split(
  "export type MemoryPolicy",
);
const ofHolds = sourceOf("packages/core/src/policy/hold.ts");
const ofPostgres = sourceOf("packages/core/src/policy/postgres/config.ts");
const [ofFile = "", ofFileMemory = ""] = sourceOf("apps/monitor/src/config/schema.ts").split(
  "memory: policy(",
);

/** The comment right above `name:`, the first there is; its `@default` apart. */
function commentOn(name: string, ...sources: readonly string[]): Comment {
  const above = new RegExp(String.raw`/\*\*((?:(?!\*/)[\s\S])*)\*/\s*${name}:`);
  for (const source of sources) {
    const raw = above.exec(source)?.[1];
    if (raw === undefined) continue;
    const [text = "", tag = null] = raw.replaceAll(/^\s*\* ?/gm, "").split("@default");
    return { name, text: text.replaceAll(/\s+/g, " ").trim(), tag: tag?.trim() ?? null };
  }
  throw new Error(`no comment tells what ${name} is`);
}

/** As people say it: 1.5 s, 64 MiB. The unit is in the name. */
function say(name: string, value: unknown): string {
  if (value === null || value === undefined) return "none";
  if (typeof value === "object") return Object.values(value).join(":");
  if (typeof value === "string" || typeof value === "boolean") return String(value);
  if (typeof value !== "number") throw new Error(`${name} has no default that can be said`);
  if (name.endsWith("Ms")) return sayTime(value);
  return /Bytes(PerSec)?$/.test(name) ? sayBytes(value) : String(value);
}

function sayTime(ms: number): string {
  if (ms < 1_000) return `${ms} ms`;
  if (ms < 60_000) return `${ms / 1_000} s`;
  return ms < 3_600_000 ? `${ms / 60_000} min` : `${ms / 3_600_000} h`;
}

function sayBytes(bytes: number): string {
  if (bytes >= 2 ** 30) return `${bytes / 2 ** 30} GiB`;
  return bytes >= 2 ** 20 ? `${bytes / 2 ** 20} MiB` : `${bytes / 2 ** 10} KiB`;
}

/** The keys of a group of the schema, whatever it is wrapped in. */
function keysOf(group: unknown): string[] {
  let inner = group as { shape?: object; def?: { innerType?: unknown } };
  while (inner.shape === undefined) inner = inner.def?.innerType as typeof inner;
  return Object.keys(inner.shape);
}

/** What a comment says of a default must be it. `cpu 12 s, memory 1 min` says two. */
function isTrue({ tag, value }: Row, group: string): boolean {
  if (tag === null) return false;
  const parts = tag.split(", ").map((part) => part.split(" "));
  const own =
    parts
      .find(([first]) => first === group)
      ?.slice(1)
      .join(" ") ?? tag;
  return own === value;
}

const schema = createConfigSchema();
const read = schema.parse({ postgres: {} }) as Values;
const { cpu, memory, ...holds } = PRESETS.default;

function rows(values: object, comment: (name: string) => Comment, demo: object = {}): Row[] {
  return Object.entries(values as Values).map(([name, value]): Row => {
    const other = (demo as Values)[name] ?? value;
    const shown = other === value ? "" : say(name, other);
    return { ...comment(name), value: say(name, value), demo: shown };
  });
}

function only(values: unknown, names: readonly string[]): Values {
  return Object.fromEntries(names.map((name) => [name, (values as Values)[name]]));
}

/** What is defined in core first, with its tags; then what the monitor adds to the group. */
const tagged: readonly Readonly<{ group: string; rows: readonly Row[] }>[] = [
  { group: "top", rows: rows(holds, (name) => commentOn(name, ofMemory), PRESETS.demo) },
  { group: "cpu", rows: rows(cpu, (name) => commentOn(name, ofHolds, ofCpu), PRESETS.demo.cpu) },
  {
    group: "memory",
    rows: rows(memory, (name) => commentOn(name, ofHolds, ofMemory), PRESETS.demo.memory),
  },
  {
    group: "anticipation",
    rows: rows(ANTICIPATION_DEFAULTS, (name) => commentOn(name, ofPostgres)),
  },
  { group: "fileCache", rows: rows(FILE_CACHE_DEFAULTS, (name) => commentOn(name, ofPostgres)) },
];

function groups(): Group[] {
  const [top, ofCpuRows, ofMemoryRows, ahead, cache] = tagged.map((one) => one.rows);
  const added = (group: "cpu" | "memory", source: string) => {
    const names = keysOf(schema.shape[group]).filter((name) => !(name in PRESETS.default[group]));
    return rows(only(read[group], names), (name) => commentOn(name, source));
  };
  const nested = ["cpu", "memory", "anticipation", "fileCache", "postgres"];
  const others = Object.keys(schema.shape).filter(
    (name) => !nested.includes(name) && !(name in holds),
  );
  const [patience, rest] = [["preset", "calm", "shadow"], others].map((names) =>
    rows(only(read, names), (name) => commentOn(name, ofFile, ofFileMemory)),
  );
  const reached = sourceOf("apps/monitor/src/postgres/settings.ts");
  return [
    { title: "How patient it is", rows: [...(patience ?? []), ...(top ?? [])] },
    { title: "`cpu:`", rows: [...(ofCpuRows ?? []), ...added("cpu", ofFile)] },
    { title: "`memory:`", rows: [...(ofMemoryRows ?? []), ...added("memory", ofFileMemory)] },
    { title: "`anticipation:`", rows: ahead ?? [] },
    { title: "`fileCache:`", rows: cache ?? [] },
    {
      title: "`postgres:`",
      rows: rows(read["postgres"] as object, (name) => commentOn(name, reached)),
    },
    {
      title: "The rest of the file",
      rows: (rest ?? []).filter(({ name }) => !/^(preset|calm|shadow)$/.test(name)),
    },
  ];
}

function tableOf({ title, rows: all }: Group): string {
  const hasDemo = all.some(({ demo }) => demo !== "");
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const columns = hasDemo ? ["setting", "default", "demo"] : ["setting", "default"];
  const head = [...columns, "what it is, and what moving it costs"];
  const body = all.map(({ name, value, demo, text }) =>
    line([`\`${name}\``, value, ...(hasDemo ? [demo] : []), text.replaceAll("|", "\\|")]),
  );
  return [`### ${title}`, "", line(head), line(head.map(() => "---")), ...body].join("\n");
}

test.for(tagged.flatMap(({ group, rows: all }) => all.map((row) => ({ group, row }))))(
  "the comment on $group.$row.name says its default, $row.value",
  ({ group, row }) => {
    expect(isTrue(row, group), `@default ${row.tag ?? "is missing"}`).toBe(true);
    expect(row.text.length).toBeGreaterThan(20);
  },
);

test("every key of the file is in one of the groups", () => {
  const listed = groups().flatMap((group) => group.rows.map(({ name }) => name));
  for (const group of ["anticipation", "fileCache", "postgres", "cpu", "memory"] as const) {
    expect(listed).toEqual(expect.arrayContaining(keysOf(schema.shape[group])));
  }
  expect(listed.length).toBeGreaterThan(100);
});

test("docs/policy.md lists all settings as they are (-u writes the list anew)", async () => {
  const document = fs.readFileSync(DOCUMENT, "utf8");
  const [before, after] = [document.split(BEGIN)[0] ?? "", document.split(END)[1]];
  expect(after, `${BEGIN} and ${END} are there`).toBeDefined();
  const list = groups().map(tableOf).join("\n\n");
  const text = await format(`${BEGIN}\n${list}\n\n${END}`, { parser: "markdown", printWidth: 100 });
  await expect(`${before}${text.trimEnd()}${after ?? ""}`).toMatchFileSnapshot(DOCUMENT);
});
