import { expect, test } from "vitest";
import { PRESETS, withCalm } from "./presets.ts";

test.for([
  { calm: 0, factor: 1 / 4 },
  { calm: 0.5, factor: 1 },
  { calm: 1, factor: 4 },
  { calm: 7, factor: 4 },
  { calm: -1, factor: 1 / 4 },
])("calm $calm: a resize must be worth $factor times what it must by default", (row) => {
  const policy = withCalm(PRESETS.default, row.calm);
  for (const part of ["cpu", "memory"] as const) {
    const { worthUnitSec, resizeUnitSec } = PRESETS.default[part];
    expect(policy[part].worthUnitSec).toBeCloseTo(worthUnitSec * row.factor, 9);
    expect(policy[part].resizeUnitSec).toBeCloseTo(resizeUnitSec * row.factor, 9);
    const rest = { worthUnitSec: 0, resizeUnitSec: 0 };
    expect({ ...policy[part], ...rest }).toEqual({ ...PRESETS.default[part], ...rest });
  }
});

test("the demo decides as the default does, only sooner", () => {
  const { default: real, demo } = PRESETS;
  const patience = (of: (typeof PRESETS)["default"]["cpu"]) => ({
    ...of,
    holdMs: 0,
    holdMinMs: 0,
    holdMaxMs: 0,
    jumpHoldMs: 0,
    worthUnitSec: 0,
  });
  expect(demo.cpu.holdMs).toBeLessThan(real.cpu.holdMs);
  expect(demo.memory.holdMs).toBeLessThan(real.memory.holdMs);
  expect(patience(demo.cpu)).toEqual(patience(real.cpu));
});
