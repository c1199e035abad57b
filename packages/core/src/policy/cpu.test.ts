import { describe, expect, test } from "vitest";
import { type CpuSample } from "../monitor/types.ts";
import { PRESETS } from "./presets.ts";
import { initialCpu, jump, senseCpu, usedNow, type CpuGiven, type CpuNeed } from "./cpu.ts";

const policy = PRESETS.default.cpu;

describe("the jump", () => {
  test.for([
    { name: "one more than there is room for", have: 1, runnable: 1.2, want: 1.2 / 0.85 },
    { name: "three tasks on one CPU: straight to them", have: 1, runnable: 3, want: 3 / 0.85 },
    { name: "two on one", have: 1, runnable: 2, want: 2 / 0.85 },
    { name: "a crowd: sure up to four times", have: 1, runnable: 6, want: 4 },
    { name: "beyond, half of it counts", have: 1, runnable: 12, want: 6.5 },
    { name: "never above eight times", have: 1, runnable: 200, want: 8 },
    { name: "a quarter with one task", have: 0.25, runnable: 1, want: 1 },
    { name: "a quarter with a few: one core first", have: 0.25, runnable: 5, want: 1 },
    { name: "a quarter with a crowd: as if it had one core", have: 0.25, runnable: 6, want: 4 },
    { name: "three quarters with two tasks", have: 0.75, runnable: 2, want: 1 },
    { name: "four with five tasks", have: 4, runnable: 5, want: 5 / 0.85 },
    { name: "four with forty", have: 4, runnable: 40, want: 22 },
  ])("$name: $want", ({ have, runnable, want }) => {
    expect(jump(have, runnable, policy)).toBeCloseTo(want, 9);
  });
});

test("the jump at least doubles, however unsure the policy is", () => {
  expect(jump(1, 12, { ...policy, jumpSure: 1, jumpMax: 1.5 })).toBe(2);
});

type Second = Readonly<{
  busy: number;
  waiting?: number | null;
  pressure?: number | null;
  runnable?: number | null;
}>;

/** Samples at 4 Hz of a machine that does the same all the time; the last verdict. */
function steady(
  load: Second,
  given: CpuGiven,
  samples = 8,
  everyMs = 200,
): { needs: CpuNeed[]; used: number | null } {
  let state = initialCpu();
  const needs: CpuNeed[] = [];
  for (let i = 0; i <= samples; i += 1) {
    const ms = i * everyMs;
    const total = (perMs: number | null | undefined) =>
      perMs === null ? null : (perMs ?? 0) * ms + 5_000;
    const sample: CpuSample = {
      busyMs: load.busy * ms,
      runDelayMs: total(load.waiting),
      somePressureMs: total(load.pressure),
      runnable: load.runnable ?? null,
      onlineCount: Math.ceil(given.have),
      presentCount: 8,
    };
    const [next, need] = senseCpu(state, sample, given, policy, 10_000 + ms);
    state = next;
    needs.push(need);
  }
  return { needs, used: usedNow(state, given.quota, policy, 10_000 + samples * everyMs) };
}

const have = (vcpus: number): CpuGiven => ({ have: vcpus, quota: null });
const limited = (vcpus: number, cpuUsed: number | null, throttledShare = 0): CpuGiven => ({
  have: vcpus,
  quota: { cpuUsed, throttledShare },
});

test("one sample says nothing of what is in use", () => {
  expect(steady({ busy: 1 }, have(1), 0).used).toBeNull();
  expect(steady({ busy: 1 }, have(1), 1).used).toBeCloseTo(1, 9);
});

test("pressure is a share: a counter that jumped is not more than all the time", () => {
  expect(steady({ busy: 1, pressure: 3 }, have(1)).needs.at(-1)?.inputs).toMatchObject({
    pressure: 1,
  });
});

test("saturated begins at 95 % busy", () => {
  const load = { waiting: 2, pressure: 0.9 };
  expect(steady({ busy: 0.945, ...load }, have(1)).needs.some((need) => need.isAttack)).toBe(false);
  expect(steady({ busy: 0.955, ...load }, have(1)).needs.some((need) => need.isAttack)).toBe(true);
});

describe("the need", () => {
  test.for([
    { name: "idle", load: { busy: 0.05 }, given: have(1), need: 0.05 / 0.95, attack: false },
    { name: "half busy", load: { busy: 0.5 }, given: have(1), need: 0.5 / 0.95, attack: false },
    {
      name: "busy, nobody waits",
      load: { busy: 1, pressure: 0.05 },
      given: have(1),
      need: 1 / 0.85,
      attack: false,
    },
    {
      name: "waiting but not busy (throttled by something else)",
      load: { busy: 0.4, waiting: 2, pressure: 0.9 },
      given: have(1),
      need: 0.4 / 0.95,
      attack: false,
    },
    {
      name: "saturated",
      load: { busy: 1, waiting: 2, pressure: 0.9 },
      given: have(1),
      need: 3 / 0.85,
      attack: true,
    },
    {
      name: "no run delay: pressure and cores",
      load: { busy: 2, waiting: null, pressure: 1 },
      given: have(2),
      need: 4 / 0.85,
      attack: true,
    },
    {
      name: "no run delay: runnable tasks, the reader not counted",
      load: { busy: 1, waiting: null, pressure: 0.5, runnable: 5 },
      given: have(1),
      need: 4,
      attack: true,
    },
    {
      name: "neither: runnable tasks alone",
      load: { busy: 1, waiting: null, pressure: null, runnable: 4 },
      given: have(1),
      need: 3 / 0.85,
      attack: true,
    },
    {
      name: "a backup: everybody waits for the disk",
      load: { busy: 0.2, waiting: 0, pressure: 0, runnable: 1 },
      given: have(1),
      need: 0.2 / 0.95,
      attack: false,
    },
    {
      name: "a quarter, ticks say full, the agent says little",
      load: { busy: 1, waiting: 0.6, pressure: 0.5 },
      given: limited(0.25, 0.12, 0.3),
      need: 0.12 / 0.95,
      attack: false,
    },
    {
      name: "a quarter, and the agent says full",
      load: { busy: 1, waiting: 0.6, pressure: 0.5 },
      given: limited(0.25, 0.24, 0.9),
      need: 0.84 / 0.85,
      attack: true,
    },
    {
      name: "a quarter with a crowd, before the agent says so",
      load: { busy: 1, waiting: 4, pressure: 1 },
      given: limited(0.25, 0.1),
      need: 1,
      attack: true,
    },
    {
      name: "a quota and an agent that measures nothing",
      load: { busy: 0.5, waiting: 0.3, pressure: 0.5 },
      given: limited(0.5, null),
      need: 0.8 / 0.85,
      attack: true,
    },
  ])("$name", ({ load, given, need, attack }) => {
    const { needs } = steady(load, given);
    expect(needs.some((one) => one.isAttack)).toBe(attack);
    expect(Math.max(...needs.slice(-4).map((one) => one.need))).toBeCloseTo(need, 6);
  });

  const attackTimes = (waiting: number) => {
    const { needs } = steady({ busy: 1, waiting, pressure: 1 }, have(1), 16, 100);
    return needs.flatMap((need, index) => (need.isAttack ? [index * 100] : []));
  };

  test("saturation must last for one more sample, and jumps are half a second apart", () => {
    // The first interval is seen at 100 ms, confirmed 200 ms later, and from there every 500 ms.
    expect(attackTimes(1)).toEqual([300, 800, 1300]);
  });

  test("a queue of several per CPU needs no second sample", () => {
    expect(attackTimes(2)).toEqual([100, 600, 1100, 1600]);
  });

  test("within the band nothing moves: full is 95 %, and then it grows to 85 %", () => {
    const need = (busy: number) => steady({ busy }, have(2)).needs.at(-1)?.need;
    expect(need(1.89)).toBeCloseTo(1.89 / 0.95, 9);
    expect(need(1.91)).toBeCloseTo(1.91 / 0.85, 9);
  });

  test("what is worth keeping is the use at 90 %, and not the work that a jump catches up with", () => {
    const calm = steady({ busy: 0.5 }, have(1)).needs.at(-1);
    expect(calm?.keep).toBeCloseTo(0.5 / 0.9, 9);
    // 4 CPUs work for 400 ms after the jump, then one does.
    let state = initialCpu();
    let busyMs = 0;
    const keeps: number[] = [];
    for (let i = 0; i <= 20; i += 1) {
      const now = 10_000 + i * 200;
      const isSaturated = i <= 2;
      const busy = isSaturated ? 1 : i <= 4 ? 4 : 1;
      busyMs += busy * 200;
      const sample: CpuSample = {
        busyMs,
        runDelayMs: isSaturated ? i * 800 : 1_600,
        somePressureMs: isSaturated ? i * 200 : 400,
        runnable: null,
        onlineCount: isSaturated ? 1 : 4,
        presentCount: 8,
      };
      const [next, need] = senseCpu(state, sample, have(isSaturated ? 1 : 4), policy, now);
      state = next;
      if (i > 4) keeps.push(need.keep);
    }
    expect(Math.max(...keeps)).toBeCloseTo(1 / 0.9, 6);
  });

  test("time that the host took counts as wanted", () => {
    let state = initialCpu();
    const needs: CpuNeed[] = [];
    for (let ms = 0; ms <= 2_000; ms += 200) {
      const sample: CpuSample = {
        busyMs: ms, // one of two CPUs, the other is stolen
        stolenMs: ms,
        runDelayMs: 2 * ms,
        somePressureMs: ms,
        runnable: null,
        onlineCount: 2,
        presentCount: 8,
      };
      const [next, need] = senseCpu(state, sample, have(2), policy, 10_000 + ms);
      state = next;
      needs.push(need);
    }
    expect(needs.some((need) => need.isAttack)).toBe(true);
    expect(needs.at(-1)?.byUse).toBeCloseTo(2 / 0.85, 9);
  });

  test("run delay falls when a CPU goes offline: nobody waits, rather than a negative number", () => {
    let state = initialCpu();
    const sample = (runDelayMs: number): CpuSample => ({
      busyMs: 0,
      runDelayMs,
      somePressureMs: 0,
      runnable: 1,
      onlineCount: 1,
      presentCount: 2,
    });
    [state] = senseCpu(state, sample(10_000), have(2), policy, 1_000);
    const [, need] = senseCpu(state, sample(4_000), have(1), policy, 1_250);
    expect(need.inputs.runnable).toBe(0);
  });

  test("what is used: the mean of a second; under a quota the agent's word; null at first", () => {
    expect(steady({ busy: 0.5 }, have(1)).used).toBeCloseTo(0.5, 9);
    expect(steady({ busy: 1 }, limited(0.25, 0.1)).used).toBe(0.1);
    expect(usedNow(initialCpu(), null, policy, 0)).toBeNull();
  });
});

test("counters that jump make nobody busier than there are CPUs", () => {
  let state = initialCpu();
  const sample = (busyMs: number): CpuSample => ({
    busyMs,
    runDelayMs: 0,
    somePressureMs: 0,
    runnable: 1,
    onlineCount: 2,
    presentCount: 2,
  });
  [state] = senseCpu(state, sample(0), have(2), policy, 1_000);
  const [, need] = senseCpu(state, sample(900_000), have(2), policy, 1_250);
  expect(need.need).toBeCloseTo(2 / 0.85, 9);
});
