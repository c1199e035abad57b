// docs/reservations.md is the manual: every word that a caller may be told is in it.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  MAX_RESERVATIONS_PER_DOOR,
  MAX_RESERVATIONS_PER_OWNER,
  RESERVATION_REASONS,
} from "./types.ts";

const ROOT = join(import.meta.dirname, "../../../../..");
const manual = readFileSync(join(ROOT, "docs/reservations.md"), "utf8");

test.for(Object.entries(RESERVATION_REASONS))("%s", ([reason, text]) => {
  const row = manual.split("\n").find((line) => line.startsWith(`| \`${reason}\` `));
  expect(row).toContain(text);
});

test("the limits", () => {
  const { length } = manual.match(
    new RegExp(`${MAX_RESERVATIONS_PER_DOOR} active.*${MAX_RESERVATIONS_PER_OWNER} of one owner`),
  ) ?? { length: 0 };
  expect(length).toBe(1);
});
