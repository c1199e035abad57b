import { expect, test } from "vitest";
import { reserveOfDetected } from "./reserve.ts";

const GIB = 1024 ** 3;
test.for([
  { mem: 4 * GIB, reserve: GIB / 2 },
  { mem: 10 * GIB, reserve: GIB / 2 },
  { mem: 100 * GIB, reserve: 5 * GIB },
  { mem: GIB / 4, reserve: GIB / 4 },
])("of $mem bytes found, $reserve are kept", ({ mem, reserve }) => {
  expect(reserveOfDetected(mem)).toBe(reserve);
});
