import { type Explanation } from "@selfscale/core";
import { expect, test } from "vitest";
import { memoryLog } from "../testing/fleet.ts";
import { Notes, notesShare } from "./notes.ts";

const KEPT_NOTES = 200;

const note = (reason: string, message: string): Explanation => ({
  level: "warn",
  reason,
  message,
  data: { link: 1 },
});

test("logs each with its reason and data, and keeps the last ones", () => {
  const { log, lines } = memoryLog();
  const notes = new Notes(log, KEPT_NOTES);
  for (let n = 0; n < KEPT_NOTES + 5; n += 1) notes.add(note("resize-begun", `to ${n}`), n);
  expect(lines).toHaveLength(KEPT_NOTES + 5);
  expect(lines[0]).toMatchObject({
    level: "warn",
    reason: "resize-begun",
    data: { link: 1 },
    msg: "to 0",
  });
  expect(notes.kept).toHaveLength(KEPT_NOTES);
  expect(notes.kept.at(-1)).toMatchObject({ message: `to ${KEPT_NOTES + 4}`, times: 1 });
});

test("what a guest can repeat is logged once while it stays the same, and counted", () => {
  const { log, lines } = memoryLog();
  const notes = new Notes(log, KEPT_NOTES);
  for (let n = 0; n < 500; n += 1) notes.add(note("peer-mistake", "not JSON"), n);
  notes.add(note("peer-mistake", "no id"), 500);
  expect(lines).toMatchObject([{ msg: "not JSON" }, { msg: "no id", suppressed: 499 }]);
  expect(notes.kept.map(({ message, times }) => [message, times])).toEqual([
    ["not JSON", 500],
    ["no id", 1],
  ]);
});

test("what a guest can vary is logged ten times, then every six seconds", () => {
  const { log, lines } = memoryLog();
  const notes = new Notes(log, KEPT_NOTES);
  for (let n = 0; n < 1000; n += 1) notes.add(note("peer-mistake", `nonsense ${n}`), n);
  expect(lines).toHaveLength(10);
  notes.add(note("peer-mistake", "later"), 8_000);
  expect(lines.at(-1)).toMatchObject({ msg: "later", suppressed: 990 });
});

test("a link that comes and goes is logged each time, as often as what varies", () => {
  const { log, lines } = memoryLog();
  const notes = new Notes(log, KEPT_NOTES);
  for (let n = 0; n < 2; n += 1) {
    notes.add(note("link-up", "version 2"), n);
    notes.add(note("link-down", "closed"), n);
  }
  const [up, down] = [{ msg: "version 2" }, { msg: "closed" }];
  expect(lines).toMatchObject([up, down, up, down]);
  for (let n = 2; n < 1000; n += 1) notes.add(note("link-up", "version 2"), n);
  expect(lines).toHaveLength(10);
});

test("a repetition of anything else is news each time", () => {
  const { log, lines } = memoryLog();
  const notes = new Notes(log, KEPT_NOTES);
  for (let n = 0; n < 3; n += 1) notes.add(note("consent-given", "The monitor agreed."), n);
  expect(lines).toHaveLength(3);
});

test.for([
  { vms: 1, kept: 200 },
  { vms: 50, kept: 200 },
  { vms: 400, kept: 25 },
  { vms: 5_000, kept: 10 },
])("of $vms VMs each keeps its last $kept", ({ vms, kept }) => {
  expect(notesShare(vms)).toBe(kept);
});

test("a smaller limit takes effect at once", () => {
  const { log } = memoryLog();
  const notes = new Notes(log, KEPT_NOTES);
  for (let n = 0; n < 50; n += 1) notes.add(note("resize-begun", `to ${n}`), n);
  notes.setLimit(10);
  expect(notes.kept.map(({ message }) => message)).toEqual(
    Array.from({ length: 10 }, (_, index) => `to ${40 + index}`),
  );
});
