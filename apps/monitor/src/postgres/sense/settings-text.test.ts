import { expect, test } from "vitest";
import { memoryBytes, overridesOf } from "./settings-text.ts";

const MIB = 1024 ** 2;

test.for([
  { text: "64MB", want: 64 * MIB },
  { text: "4096kB", want: 4 * MIB },
  { text: "4096", want: 4 * MIB },
  { text: "1.5GB", want: 1536 * MIB },
  { text: "2TB", want: 2 * 1024 ** 4 },
  { text: "512B", want: 512 },
  { text: " 7 MB ", want: 7 * MIB },
  { text: "0", want: 0 },
  { text: "-1", want: null },
  { text: "12 bananas", want: null },
  { text: "", want: null },
  { text: null, want: null },
])("$text is $want bytes", ({ text, want }) => {
  expect(memoryBytes(text)).toBe(want);
});

test("overrides of roles and databases; what can't be read is left out", () => {
  const row = (setting: string) => ({ database: "5", role: null, setting });
  const rows = ["work_mem=64MB", "hash_mem_multiplier=3.5", "maintenance_work_mem=1048576"].map(
    row,
  );
  const read = overridesOf([...rows, row("work_mem=lots"), row("hash_mem_multiplier=x"), row("=")]);
  expect(read.map(({ settings }) => settings)).toEqual([
    { workMemBytes: 64 * MIB },
    { hashMemMultiplier: 3.5 },
    { maintenanceWorkMemBytes: 1024 * MIB },
  ]);
  expect(read[0]).toMatchObject({ database: "5", role: null });
});
