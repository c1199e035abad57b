import { expect, test } from "vitest";
import { CpuWindow, type CpuSample } from "./cpu-window.ts";

const at = (ms: number, usedMs: number | null, periods: number, throttled: number): CpuSample => ({
  at: ms,
  usageUs: usedMs === null ? null : usedMs * 1000,
  periods: { periods, throttled },
});

test.for<{ name: string; samples: CpuSample[]; used: number | null; throttled: number | null }>([
  { name: "nothing yet", samples: [], used: null, throttled: null },
  { name: "one sample", samples: [at(0, 0, 0, 0)], used: null, throttled: null },
  { name: "too near", samples: [at(0, 0, 0, 0), at(50, 50, 2, 0)], used: null, throttled: null },
  {
    name: "half a core",
    samples: [at(0, 0, 0, 0), at(200, 100, 10, 5)],
    used: 500,
    throttled: 0.5,
  },
  { name: "idle", samples: [at(0, 9, 7, 5), at(1000, 9, 7, 5)], used: 0, throttled: 0 },
  {
    name: "only the last second counts",
    samples: [at(0, 0, 0, 0), at(5000, 5000, 250, 250), at(6000, 5250, 300, 250)],
    used: 250,
    throttled: 0,
  },
  {
    name: "uneven looks are one span",
    samples: [at(0, 0, 0, 0), at(50, 50, 2, 0), at(900, 900, 45, 9), at(1000, 1000, 50, 10)],
    used: 1000,
    throttled: 0.2,
  },
  {
    name: "totals that fell are another process's",
    samples: [at(0, 9000, 90, 80), at(1000, 10, 1, 0), at(1200, 30, 11, 1)],
    used: 100,
    throttled: 0.1,
  },
  {
    name: "no usage",
    samples: [at(0, null, 0, 0), at(500, null, 25, 5)],
    used: null,
    throttled: 0.2,
  },
])("$name: used $used, throttled $throttled", ({ samples, used, throttled }) => {
  const window = new CpuWindow(1000);
  for (const sample of samples) window.add(sample);
  expect(window.usedMilli).toBe(used);
  expect(window.throttledShare).toBe(throttled);
});

test("keeps no more samples than the window needs", () => {
  const window = new CpuWindow(1000);
  for (let ms = 0; ms <= 100_000; ms += 50) window.add(at(ms, ms / 2, ms / 20, ms / 40));
  expect(window.usedMilli).toBe(500);
  expect(window.size).toBeLessThanOrEqual(22);
});
