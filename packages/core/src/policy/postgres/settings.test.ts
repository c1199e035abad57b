import { expect, test } from "vitest";
import { settingsOf, type SettingsOverride } from "./settings.ts";
import { DEBIAN } from "./testing/activity.ts";

const override = (database: string | null, role: string | null, workMemBytes: number) =>
  ({ database, role, settings: { workMemBytes } }) satisfies SettingsOverride;

const OVERRIDES = [
  override("shop", "anna", 5),
  override(null, "anna", 6),
  override("shop", null, 7),
  override(null, null, 8),
];

test.for([
  { database: "shop", role: "anna", want: 5 },
  { database: "else", role: "anna", want: 6 },
  { database: "shop", role: "else", want: 7 },
  { database: "else", role: "else", want: 8 },
  { database: null, role: null, want: 8 },
])("$role in $database starts with work_mem $want", ({ database, role, want }) => {
  for (const overrides of [OVERRIDES, [...OVERRIDES].reverse()]) {
    const settings = settingsOf({ server: DEBIAN, overrides }, database, role);
    expect(settings).toEqual({ ...DEBIAN, workMemBytes: want });
  }
});

test("settings of different names add up", () => {
  const overrides: SettingsOverride[] = [
    override("shop", null, 7),
    { database: null, role: "anna", settings: { hashMemMultiplier: 4 } },
  ];
  const settings = settingsOf({ server: DEBIAN, overrides }, "shop", "anna");
  expect(settings).toEqual({ ...DEBIAN, workMemBytes: 7, hashMemMultiplier: 4 });
});
