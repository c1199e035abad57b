import { describe, expect, test } from "vitest";
import { cacheWithin, fileCacheBytes } from "./file-cache.ts";
import { SIZING_ROWS } from "./testing/vectors.ts";

const MIB = 1024 ** 2;

test("the rows are all there", () => {
  expect(SIZING_ROWS.length).toBe(72);
});

describe("is the deployed monitor's, to the byte", () => {
  test.for(SIZING_ROWS)("$memBytes bytes of RAM: $lfcBytes", (row) => {
    expect(fileCacheBytes(row.memBytes)).toBe(row.lfcBytes);
    expect(cacheWithin(row.usableBytes)).toBe(row.lfcBytes);
    expect(cacheWithin(row.startup.memTotalBytes)).toBe(row.startup.lfcBytes);
  });
});

test.for([
  { name: "room for more", max: 8192, want: 2997 },
  { name: "less room than memory", max: 1024, want: 1024 },
  { name: "room that is no whole MiB", max: 1024.5, want: 1024 },
  { name: "no room", max: 0, want: 0 },
])("4 GiB, $name: $want MiB", ({ max, want }) => {
  expect(fileCacheBytes(4096 * MIB, max * MIB)).toBe(want * MIB);
});
