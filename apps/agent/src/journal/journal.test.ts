import { AGENT_TIMERS, initialVm, type VmAction, type VmEvent } from "@selfscale/core";
import { expect, test } from "vitest";
import { size, vmConfig } from "../testing/fleet.ts";
import { Journal, journalShare, type Entry, type Stretch } from "./journal.ts";
import { fromJson, toJson } from "./json.ts";

const MIB = 1024 ** 2;
const { spec } = vmConfig({ name: "pg-1", socket: "/nowhere", url: "ws://127.0.0.1:9/" });
const initial = initialVm(spec, AGENT_TIMERS, 256 * MIB);
const frame = (text: string): VmEvent => ({ kind: "frame-received", link: 1, text });
const said: VmAction = { kind: "send-frame", link: 1, text: "{}" };

const entriesOf = (stretches: readonly Stretch[]): Entry[] =>
  stretches.flatMap(({ read }) => read().entries.map((text) => fromJson(text) as Entry));

/** So many hexadecimal digits, other ones each time: packing halves them and no more. */
function digits(count: number, seed: number): string {
  let [text, state] = ["", seed + 1];
  while (text.length < count) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    text += state.toString(16).padStart(8, "0");
  }
  return text.slice(0, count);
}

/** A journal that saw so many frames, one per ms from 0 on; each state carries its own time. */
function seen(limitBytes: number, count: number, length: number): Journal {
  const journal = new Journal(limitBytes);
  journal.begin(initial, 0);
  for (let at = 0; at < count; at += 1) {
    journal.saw(frame(digits(length, at)), at);
    journal.stepped({ ...initial, steppedAt: at }, [said]);
  }
  return journal;
}

test.for([
  { vms: 1, bytes: 4 * MIB },
  { vms: 4, bytes: 4 * MIB },
  { vms: 48, bytes: MIB / 3 },
  { vms: 1000, bytes: (16 * MIB) / 1000 },
])("$vms VMs: each may remember $bytes bytes", ({ vms, bytes }) => {
  expect(journalShare(vms)).toBe(bytes);
});

test("stays within its limit however long the frames are, and keeps what is newest", () => {
  const journal = seen(MIB, 5_000, 1_000);
  expect(journal.bytes).toBeLessThanOrEqual(MIB);
  expect(journal.bytes).toBeGreaterThan(MIB / 2);
  const times = entriesOf(journal.since(0)).map(({ at }) => at);
  expect(times.at(-1)).toBe(4_999);
  expect(times).toEqual(times.map((_, index) => (times[0] ?? 0) + index));
  expect(times[0]).toBeGreaterThan(0);
});

test("each stretch begins with the state before its first event", () => {
  for (const stretch of seen(MIB, 5_000, 1_000).since(0)) {
    expect(stretch.since).toBe(entriesOf([stretch])[0]?.at);
    expect(stretch.read().state.steppedAt).toBe(stretch.since - 1);
  }
});

test("looks back from the last state that is old enough, or from the oldest there is", () => {
  const journal = seen(MIB, 5_000, 1_000);
  const all = journal.since(0);
  const third = all[2]?.since ?? 0;
  const begins = (stretches: readonly Stretch[]) => stretches.map(({ since }) => since);
  expect(begins(journal.since(third))).toEqual(begins(all.slice(2)));
  expect(begins(journal.since(third + 1))).toEqual(begins(all.slice(2)));
  expect(begins(journal.since(third - 1))).toEqual(begins(all.slice(1)));
  expect(begins(journal.since(1e9))).toEqual(begins(all.slice(-1)));
  expect(begins(journal.since(-1))).toEqual(begins(all));
});

test("a smaller limit takes effect at once, and what is read meanwhile stays whole", () => {
  const journal = seen(4 * MIB, 1_000, 1_000);
  const reading = journal.since(0);
  journal.setLimit(MIB / 4);
  expect(journal.bytes).toBeLessThanOrEqual(MIB / 4 + 16 * 1024 + 2_048);
  journal.saw(frame("later"), 1_000);
  expect(entriesOf(reading)).toHaveLength(1_000);
});

test("a journal of one of a thousand VMs still holds the events that a crash report carries", () => {
  expect(seen(journalShare(1_000), 1_000, 200).last(50)).toHaveLength(50);
});

test("the last events across loops, and an event that the machine died of", () => {
  const journal = seen(MIB, 3, 1);
  journal.saw(frame("died of"), 3);
  journal.begin(initial, 10);
  journal.saw(frame("b"), 11);
  expect(journal.last(3).map(({ at, actions }) => [at, actions])).toEqual([
    [2, [said]],
    [3, null],
    [11, null],
  ]);
  expect(journal.last(50)).toHaveLength(5);
  expect(journal.since(0).map(({ isBeginning }) => isBeginning)).toEqual([true, true]);
});

test.for([
  { name: "sizes", value: size(2, 512) },
  { name: "what JSON has no word for", value: [NaN, Infinity, -Infinity, { a: NaN }] },
  { name: "a map", value: { claims: new Map([["a", new Map([[1, NaN]])]]) } },
  { name: "text that looks like it", value: ['{"$number":"NaN"}', "$map"] },
])("as JSON and back: $name", ({ value }) => {
  expect(fromJson(toJson(value))).toEqual(value);
});
