// The windows against the plain way to say the same.
import { describe, expect, test } from "vitest";
import { Random } from "../random.ts";
import { MaxWindow, MeanWindow } from "./windows.ts";

describe("the mean of the last three", () => {
  test("by hand", () => {
    const window = new MeanWindow(3);
    expect(window.mean).toBe(0);
    const means = [3, 6, 9, 0, 0, 0].map((value) => {
      window.add(value);
      return window.mean;
    });
    expect(means).toEqual([3, 4.5, 6, 5, 3, 0]);
  });

  test("is full after three", () => {
    const window = new MeanWindow(3);
    const full = [1, 1, 1, 1].map((value) => {
      window.add(value);
      return window.isFull;
    });
    expect(full).toEqual([false, false, true, true]);
  });

  test("rounding does not pile up", () => {
    const window = new MeanWindow(4);
    for (let i = 0; i < 10_000; i += 1) window.add(i % 2 === 0 ? 1e9 + 0.1 : 0.1);
    for (let i = 0; i < 4; i += 1) window.add(0);
    expect(window.mean).toBe(0);
  });
});

describe("the largest of the last three", () => {
  test("by hand", () => {
    const window = new MaxWindow(3);
    expect(window.max).toBe(-Infinity);
    const largest = [5, 3, 4, 1, 1, 1, 2, 2].map((value) => {
      window.add(value);
      return window.max;
    });
    expect(largest).toEqual([5, 5, 5, 4, 4, 1, 2, 2]);
  });

  test.for([1, 2, 7, 64])("of %d, as the plain way has it", (capacity) => {
    const random = new Random(7, `window ${capacity}`);
    const window = new MaxWindow(capacity);
    const all: number[] = [];
    for (let i = 0; i < 1000; i += 1) {
      const value = Math.floor(random.between(0, 20));
      all.push(value);
      window.add(value);
      expect(window.max).toBe(Math.max(...all.slice(-capacity)));
    }
  });
});
