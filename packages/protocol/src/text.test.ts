import { expect, test } from "vitest";
import { clipText, isLongerThan, utf8Bytes, wellFormed } from "./text.ts";

test.for(["", "plain", "é", "€", "😀", "a😀é€b", "\ud800", "\udc00x", "\ud800\ud800", "x\ud83d"])(
  "counts %j as an encoder does",
  (text) => {
    expect(utf8Bytes(text)).toBe(new TextEncoder().encode(text).length);
  },
);

test.for([
  { text: "abc", max: 3, want: "abc" },
  { text: "abc", max: 2, want: "ab" },
  { text: "aé", max: 2, want: "a" },
  { text: "a€", max: 3, want: "a" },
  { text: "a😀", max: 4, want: "a" },
  { text: "a😀b", max: 5, want: "a😀" },
  { text: "a", max: 0, want: "" },
])("clips $text to $max bytes: $want", ({ text, max, want }) => {
  expect(clipText(text, max)).toBe(want);
});

test.for([
  { text: "aaaa", max: 4, want: false },
  { text: "aaaaa", max: 4, want: true },
  { text: "éé", max: 4, want: false },
  { text: "ééa", max: 4, want: true },
  { text: "a", max: 4, want: false },
])("$text is longer than $max bytes: $want", ({ text, max, want }) => {
  expect(isLongerThan(text, max)).toBe(want);
});

test.for([
  { text: "a😀b", want: "a😀b" },
  { text: "a\ud83d", want: "a\ufffd" },
  { text: "\ude00b", want: "\ufffdb" },
])("makes $text well formed", ({ text, want }) => {
  expect(wellFormed(text)).toBe(want);
});
