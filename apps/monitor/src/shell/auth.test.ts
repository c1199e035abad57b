import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openToAll, readToken, tokenAuth } from "./auth.ts";

let dir = "";
const file = (name: string, text: string) => {
  fs.writeFileSync(path.join(dir, name), text);
  return path.join(dir, name);
};

beforeAll(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), "selfscale-auth-"));
});
afterAll(() => fs.rmSync(dir, { recursive: true }));

test.for([
  { header: "Bearer s3cret", admitted: true },
  { header: "bearer  s3cret ", admitted: true },
  { header: "Bearer s3cre", admitted: false },
  { header: "Bearer s3crets", admitted: false },
  { header: "Basic s3cret", admitted: false },
  { header: "s3cret", admitted: false },
  { header: "Bearer", admitted: false },
  { header: "", admitted: false },
  { header: undefined, admitted: false },
])("$header: $admitted", ({ header, admitted }) => {
  const auth = tokenAuth(file("token", "  s3cret\n"));
  expect(auth.admits(header)).toBe(admitted);
});

test("a changed token counts at once, a lost file admits nobody", () => {
  const name = file("rotating", "one");
  const auth = tokenAuth(name);
  expect(auth.admits("Bearer one")).toBe(true);
  file("rotating", "two");
  expect(auth.admits("Bearer one")).toBe(false);
  expect(auth.admits("Bearer two")).toBe(true);
  fs.rmSync(name);
  expect(auth.admits("Bearer two")).toBe(false);
});

test("an empty, huge or missing token is an error", () => {
  expect(() => readToken(file("empty", " \n"))).toThrow("the file is empty");
  expect(() => readToken(file("huge", "x".repeat(5000)))).toThrow("longer than 4096 bytes");
  expect(() => readToken(path.join(dir, "absent"))).toThrow("ENOENT");
});

test("without a token everybody is admitted", () => {
  expect(openToAll.admits(undefined)).toBe(true);
});
