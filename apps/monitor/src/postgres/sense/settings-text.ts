// PostgreSQL's settings as text: amounts with its units, and what roles and databases say of their own.
import { type SettingsOverride } from "@selfscale/core";
import { type Row } from "../connection.ts";

export type OverrideRow = Readonly<{
  database: string | null;
  role: string | null;
  setting: string;
}>;

const KIB = 1024;
const UNITS: Readonly<Record<string, number>> = {
  B: 1,
  kB: KIB,
  MB: KIB ** 2,
  GB: KIB ** 3,
  TB: KIB ** 4,
};

/** Bytes of '64MB' or '4096' (in kB, as those settings are meant); null: there is no such setting, or it is none. */
export function memoryBytes(text: string | null): number | null {
  const [, number, unit = "kB"] =
    /^\s*(\d+(?:\.\d+)?)\s*(B|kB|MB|GB|TB)?\s*$/.exec(text ?? "") ?? [];
  return number === undefined ? null : Math.round(Number(number) * (UNITS[unit] ?? KIB));
}

/** null: the row has no such text. */
export function textOf(row: Row, name: string): string | null {
  const value = row[name];
  return typeof value === "string" && value !== "" ? value : null;
}

/** What can't be read is left out: a wrong setting does not start a session, PostgreSQL says so itself. */
export function overridesOf(rows: readonly OverrideRow[]): SettingsOverride[] {
  return rows.flatMap(({ database, role, setting }) => {
    const [, name = "", value = ""] = /^([^=]*)=(.*)$/s.exec(setting) ?? [];
    const settings = settingOf(name, value);
    return settings === null ? [] : [{ database, role, settings }];
  });
}

function settingOf(name: string, value: string): SettingsOverride["settings"] | null {
  if (name === "hash_mem_multiplier") {
    const hashMemMultiplier = Number(value);
    return Number.isFinite(hashMemMultiplier) ? { hashMemMultiplier } : null;
  }
  const bytes = memoryBytes(value);
  if (bytes === null) return null;
  return name === "work_mem" ? { workMemBytes: bytes } : { maintenanceWorkMemBytes: bytes };
}
