import { expect, test } from "vitest";
import { encodeRange } from "./handshake.ts";
import { HIGHEST_VERSION, LOWEST_VERSION, offeredRange, SPOKEN_VERSIONS } from "./versions.ts";

test("versions have no gaps, so that a range says them all", () => {
  const { length } = SPOKEN_VERSIONS;
  expect(SPOKEN_VERSIONS).toEqual(Array.from({ length }, (_, above) => LOWEST_VERSION + above));
});

test("every version that may be set makes an offer that deployed monitors survive", () => {
  for (const max of SPOKEN_VERSIONS) {
    expect(JSON.parse(encodeRange(offeredRange(max)))).toMatchObject({ min: 1, max });
  }
  expect(offeredRange()).toEqual(offeredRange(HIGHEST_VERSION));
});

test("an offer of version 1 is that of a deployed agent, byte for byte", () => {
  expect(encodeRange(offeredRange(1))).toBe('{"min":1,"max":1}');
});
