import { expect, test } from "vitest";
import {
  AGENT_REASONS,
  OUTCOMES,
  SCALE_REASONS,
  isWord,
  readOutcome,
  readReason,
  worstOutcome,
} from "./reasons.ts";

test.for([...SCALE_REASONS, ...AGENT_REASONS])("%s is a word and reads as itself", (word) => {
  expect(isWord(word)).toBe(true);
  expect(readReason(word)).toBe(word);
});

test.for(["full-moon", "", "CPU", "__proto__", "constructor", "other", undefined])(
  "reason %s reads as other",
  (word) => {
    expect(readReason(word)).toBe("other");
  },
);

test.for(["", "Cpu", "a b", "é", "x".repeat(65), "a\n"])("%j is no word", (text) => {
  expect(isWord(text)).toBe(false);
});

test.for(OUTCOMES)("outcome %s reads as itself", (word) => {
  expect(readOutcome(word)).toBe(word);
});

test.for(["queued", "", "__proto__"])("outcome %j reads as accepted", (word) => {
  expect(readOutcome(word)).toBe("accepted");
});

test.for([
  ["accepted", "accepted", "accepted"],
  ["accepted", "clamped", "clamped"],
  ["deferred", "clamped", "deferred"],
  ["deferred", "refused", "refused"],
  ["accepted", "refused", "refused"],
] as const)("the worst of %s and %s is %s", ([a, b, want]) => {
  expect(worstOutcome(a, b)).toBe(want);
  expect(worstOutcome(b, a)).toBe(want);
});
