// What a grant rests on, frame by frame and sample by sample.
import { encodeFromAgent } from "@selfscale/protocol";
import { expect, test } from "vitest";
import { monitorWakeAt } from "../step.ts";
import { MIB, TestGuest, size } from "../testing/guest.ts";

/** Connected, and nothing that is asked for comes by itself. */
function guest(): TestGuest {
  const one = new TestGuest();
  one.run(1_000);
  one.connect();
  one.run(2_000);
  one.plugMs = 1_000_000;
  return one;
}

test("the end of a wait, and of a hold, wakes the monitor", () => {
  const one = guest();
  one.reserve("a", 1_024, 0, { waitMs: 60 });
  expect(monitorWakeAt(one.state)).toBe(one.now + 60);
  one.reserve("b", 1, 0, { holdMs: 40 });
  expect(monitorWakeAt(one.state)).toBe(one.now + 40);
});

test("the agent's word alone is no memory: its blocks must be online here", () => {
  const one = guest();
  one.reserve("a", 1_024, 0);
  const has = { cpu: 1, mem: 1_280 * MIB };
  const content = {
    ...{ actual: has, requested: has, permit: has, step: { cpu: 0.25, mem: 128 * MIB } },
    bounds: { min: { cpu: 1, mem: 512 * MIB }, max: { cpu: 4, mem: 2_560 * MIB } },
  };
  const text = encodeFromAgent({ type: "SizeReport", content, id: 900 });
  one.feed({ kind: "frame-received", link: 1, text });
  expect(one.answerTo("a")?.state).toBe("waiting");
  one.actual = size(1, 1_280);
  one.sample();
  expect(one.answerTo("a")?.state).toBe("granted");
});

test("a notification of CPUs is enough, before the next report", () => {
  const one = guest();
  one.reserve("a", 0, 2);
  one.presentCpus = 2;
  one.onlineCpus = 2;
  one.sample();
  expect(one.answerTo("a")?.state).toBe("waiting"); // online, but nobody says that they may run
  const granted = { cpu: 2, mem: 512 * MIB };
  one.tell({ type: "UpscaleNotification", content: { granted }, id: 900 });
  expect(one.answerTo("a")?.state).toBe("granted");
});
