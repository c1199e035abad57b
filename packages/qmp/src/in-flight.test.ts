import { expect, test } from "vitest";
import { InFlight, type Outcome } from "./in-flight.ts";
import { type ReplyOutcome } from "./message.ts";

const returned = (value: unknown): ReplyOutcome => ({ kind: "returned", value });
const refused: ReplyOutcome = { kind: "refused", errorClass: "GenericError", description: "no" };

/** A table with `count` commands in it, and what each was told. */
function tableOf(count: number, max = 8) {
  const table = new InFlight(max);
  const told = new Map<number, Outcome[]>();
  for (let i = 0; i < count; i += 1) {
    const outcomes: Outcome[] = [];
    const id = table.add((outcome) => outcomes.push(outcome));
    if (id !== null) told.set(id, outcomes);
  }
  return { table, told };
}

test("each answer reaches its own command, in any order, once", () => {
  const { table, told } = tableOf(3);
  expect(table.deliver(3, returned("c"))).toBe(true);
  expect(table.deliver(1, returned("a"))).toBe(true);
  expect(table.deliver(1, returned("again"))).toBe(false);
  expect(table.deliver(2, refused)).toBe(true);
  expect([...told.values()]).toEqual([[returned("a")], [refused], [returned("c")]]);
  expect(table.size).toBe(0);
});

test.for([
  { name: "an id never given", id: 99 },
  { name: "an id of another kind", id: "foreign" as const },
  { name: "no id", id: "absent" as const },
])("a success with $name reaches nobody", ({ id }) => {
  const { table, told } = tableOf(2);
  expect(table.deliver(id, returned("x"))).toBe(false);
  expect([...told.values()]).toEqual([[], []]);
});

test("a refusal without an id is the oldest command's", () => {
  const { table, told } = tableOf(2);
  expect(table.deliver("absent", refused)).toBe(true);
  expect([...told.values()]).toEqual([[refused], []]);
});

test("a refusal without an id is an abandoned command's, if that is the oldest", () => {
  const { table, told } = tableOf(2);
  table.abandon(1);
  expect(table.deliver("absent", refused)).toBe(false);
  expect([...told.values()]).toEqual([[], []]);
  expect(table.deliver("absent", refused)).toBe(true);
  expect([...told.values()]).toEqual([[], [refused]]);
});

test("with nobody waiting, a refusal without an id reaches nobody", () => {
  expect(tableOf(0).table.deliver("absent", refused)).toBe(false);
});

test("an abandoned command keeps its place until its late answer, which nobody gets", () => {
  const { table, told } = tableOf(2, 2);
  table.abandon(1);
  expect(table.add(() => undefined)).toBeNull();
  expect(table.deliver(1, returned("late"))).toBe(false);
  expect(told.get(1)).toEqual([]);
  expect(table.add(() => undefined)).toBe(3);
});

test("an abandoned command whose answer never came leaves with the next answer", () => {
  const { table, told } = tableOf(3, 3);
  table.abandon(1);
  expect(table.deliver(2, returned("b"))).toBe(true);
  expect(table.size).toBe(1);
  expect(told.get(3)).toEqual([]);
  expect(table.deliver(1, returned("late"))).toBe(false);
});

test("what is not abandoned stays, even when a later one is answered first", () => {
  const { table } = tableOf(2);
  table.deliver(2, returned("b"));
  expect(table.size).toBe(1);
  expect(table.deliver(1, returned("a"))).toBe(true);
});

test("the end of the connection reaches every command that waits, once, and no abandoned one", () => {
  const { table, told } = tableOf(3);
  table.abandon(2);
  const end = { reason: "ended-by-peer", message: "QEMU ended it", cause: null } as const;
  table.lose(end);
  table.lose(end);
  expect([...told.values()]).toEqual([[{ kind: "lost", end }], [], [{ kind: "lost", end }]]);
  expect(table.size).toBe(0);
});
