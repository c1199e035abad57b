import { expect, test, vi } from "vitest";
import { Mailbox } from "./mailbox.ts";

const never = new AbortController().signal;
const now = () => performance.now();
const mailbox = () => new Mailbox(now);

test("gives events in order, one at a time, before any deadline", async () => {
  const box = mailbox();
  box.push({ kind: "link-opened", link: 1 });
  box.push({ kind: "link-opened", link: 2 });
  expect(await box.next(0, never)).toEqual({ kind: "link-opened", link: 1 });
  expect(await box.next(0, never)).toEqual({ kind: "link-opened", link: 2 });
  expect(await box.next(0, never)).toEqual({ kind: "tick" });
});

test("an event wakes a reader that waits for ever", async () => {
  const box = mailbox();
  const next = box.next(null, never);
  box.push({ kind: "link-opened", link: 1 });
  expect(await next).toEqual({ kind: "link-opened", link: 1 });
});

test("a deadline in the past still lets others run first", async () => {
  const box = mailbox();
  let hasRun = false;
  setImmediate(() => (hasRun = true));
  expect(await box.next(-Infinity, never)).toEqual({ kind: "tick" });
  expect(hasRun).toBe(true);
});

test("an abort ends the wait, and no event is given after it", async () => {
  const box = mailbox();
  const stop = new AbortController();
  const waiting = box.next(null, stop.signal);
  stop.abort();
  await expect(waiting).rejects.toThrow(/abort/);
  box.push({ kind: "link-opened", link: 1 });
  await expect(box.next(null, stop.signal)).rejects.toThrow(/abort/);
});

test("a deadline that only moves away costs no timer per wait, and is still met", async () => {
  const setTimer = vi.spyOn(globalThis, "setTimeout");
  const box = mailbox();
  const begin = now();
  for (let index = 0; index < 100; index += 1) {
    const next = box.next(begin + 20 + index, never);
    box.push({ kind: "link-opened", link: index });
    await next;
  }
  expect(setTimer.mock.calls.length).toBeLessThanOrEqual(2);
  expect(await box.next(begin + 120, never)).toEqual({ kind: "tick" });
  expect(now()).toBeGreaterThanOrEqual(begin + 119);
  setTimer.mockRestore();
});

test("an earlier deadline than the last is met in time", async () => {
  const box = mailbox();
  const begin = now();
  const later = box.next(begin + 60_000, never);
  box.push({ kind: "link-opened", link: 1 });
  await later;
  expect(await box.next(begin + 5, never)).toEqual({ kind: "tick" });
  box.close();
});
