import { expect, test } from "vitest";
import { parseTrace } from "./parse.ts";
import { inventedOf, workloadFromTrace, type TraceOptions } from "./resample.ts";
import { type Trace } from "./trace.ts";

const OPTIONS: TraceOptions = { name: "t", source: "test", cpus: 4, seed: 1, isBursty: false };

function traceOf(text: string): Trace {
  const parsed = parseTrace(text);
  if (!parsed.ok) throw new Error(`line ${parsed.line}: ${parsed.problem}`);
  return parsed.trace;
}

/** Five-minute points; `value` by the number of the point. */
function envelope(points: number, value: (point: number) => number): Trace {
  const rows = Array.from({ length: points }, (_, n) => `${n * 300},${value(n)}`);
  return traceOf(`t_s,cpu_pct\n${rows.join("\n")}\n`);
}

const mean = (values: Float32Array) => values.reduce((sum, one) => sum + one, 0) / values.length;

test("points every second are taken as they are: CPU holds, memory is drawn", () => {
  const trace = traceOf(
    "t_s,cpu,mem_gib,cache_gib,read_mib_s\n0,1,1,2,512\n1,3,2,2,0\n2,2,2,4,0\n",
  );
  const { ticks, cpu, anonGib, workingSetGib, readGibPerSec } = workloadFromTrace(trace, OPTIONS);
  expect(ticks).toBe(12);
  expect([...cpu]).toEqual([1, 1, 1, 1, 3, 3, 3, 3, 2, 2, 2, 2]);
  expect([...anonGib]).toEqual([1, 1.25, 1.5, 1.75, 2, 2, 2, 2, 2, 2, 2, 2]);
  expect([...workingSetGib.subarray(4, 9)]).toEqual([2, 2.5, 3, 3.5, 4]);
  expect([...readGibPerSec.subarray(0, 5)]).toEqual([0.5, 0.375, 0.25, 0.125, 0]);
});

test("a gap holds CPU and draws memory across", () => {
  const trace = traceOf("t_s,cpu,mem_gib\n0,1,1\n1,2,1\n2,2,1\n6,5,3\n");
  const { cpu, anonGib } = workloadFromTrace(trace, OPTIONS);
  expect([...cpu.subarray(4, 25)]).toEqual([...Array<number>(20).fill(2), 5]);
  expect(anonGib[16]).toBeCloseTo(2, 6);
});

test("an envelope keeps its level, and varies by a quarter within it", () => {
  const { cpu, ticks } = workloadFromTrace(
    envelope(288, () => 25),
    OPTIONS,
  );
  expect(ticks).toBe(345_600);
  const level = mean(cpu);
  const deviation = Math.sqrt(mean(cpu.map((one) => (one - level) ** 2)));
  expect(level).toBeGreaterThan(0.98);
  expect(level).toBeLessThan(1.02);
  expect(deviation).toBeGreaterThan(0.22);
  expect(deviation).toBeLessThan(0.28);
});

test("bursts come on top, and nothing is more than the machine", () => {
  const calm = workloadFromTrace(
    envelope(288, () => 25),
    OPTIONS,
  );
  const bursty = workloadFromTrace(
    envelope(288, () => 25),
    { ...OPTIONS, isBursty: true },
  );
  // 17.5 s of twice the level in 600 s.
  expect(mean(bursty.cpu) / mean(calm.cpu)).toBeGreaterThan(1.03);
  expect(mean(bursty.cpu) / mean(calm.cpu)).toBeLessThan(1.09);
  const full = workloadFromTrace(
    envelope(12, () => 100),
    { ...OPTIONS, isBursty: true },
  );
  expect(Math.max(...full.cpu)).toBe(4);
});

test("memory that nobody measured follows the CPU's half hour", () => {
  const { anonGib, workingSetGib, readGibPerSec } = workloadFromTrace(
    envelope(24, (point) => (point < 12 ? 0 : 100)),
    OPTIONS,
  );
  const perMinute = 240;
  expect(anonGib[0]).toBe(0.75);
  expect(anonGib[55 * perMinute]).toBe(0.75);
  // The point at minute 85 knows of 30 minutes at full load: the one at 60 already counts for five.
  expect(anonGib[85 * perMinute]).toBeCloseTo(0.75 + 1.25 * (1 - Math.exp(-1)), 5);
  expect(anonGib[87.5 * perMinute]).toBeCloseTo(
    0.75 + 1.25 * (1 - (Math.exp(-1) + Math.exp(-35 / 30)) / 2),
    5,
  );
  expect([workingSetGib[5], readGibPerSec[5]]).toEqual([1.5, Math.fround(10 / 1024)]);
  expect(
    inventedOf(
      envelope(3, () => 1),
      true,
    ),
  ).toHaveLength(4);
});

test("each seed has its day, the same each time, and begins at a point", () => {
  const long = envelope(3 * 288, (point) => point / 10);
  const starts = [1, 2, 3, 4].map((seed) => {
    const options = { ...OPTIONS, seed };
    const one = workloadFromTrace(long, options);
    expect(one.ticks).toBe(345_600);
    const again = workloadFromTrace(long, options).cpu;
    expect(again.every((value, tick) => value === one.cpu[tick])).toBe(true);
    return mean(one.cpu);
  });
  expect(new Set(starts).size).toBe(4);
  const fine = traceOf(`t_s,cpu\n${Array.from({ length: 50 }, (_, n) => `${n},${n}`).join("\n")}`);
  const part = workloadFromTrace(fine, { ...OPTIONS, dayTicks: 8, seed: 5 });
  const [first = NaN] = part.cpu;
  expect([...part.cpu]).toEqual([
    ...Array<number>(4).fill(first),
    ...Array<number>(4).fill(first + 1),
  ]);
});

test("vCPUs are not scaled to the machine, shares are", () => {
  const absolute = traceOf("t_s,cpu\n0,1\n1,1\n");
  const share = traceOf("t_s,cpu_pct\n0,50\n1,50\n");
  const options = { ...OPTIONS, cpus: 8, maxMemGib: 12 };
  expect(workloadFromTrace(absolute, options).cpu[0]).toBe(1);
  expect(workloadFromTrace(share, options).cpu[0]).toBe(4);
  expect(workloadFromTrace(share, options).max).toEqual({ cpu: 8, memGib: 12 });
  expect(workloadFromTrace(share, OPTIONS).max).toEqual({ cpu: 4, memGib: 16 });
});
