import { BRAKE_LIMITS, type BrakeLimits } from "@selfscale/core";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { memoryLog } from "../testing/fleet.ts";
import { makeMachine, mountOf, type TestMachine } from "../testing/machine.ts";
import { NodeWatch, type NodeReading } from "./node-watch.ts";
import { GIVEN, sizeNode, type NodePlan } from "./plan.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const GIB = 1024 ** 3;

function calm(machine: TestMachine): void {
  machine.write({
    "proc/pressure/memory": "some avg10=0.00 avg60=0.00 avg300=0.00 total=1000\nfull total=7",
    "proc/vmstat": "pswpin 10\npswpout 20\nnr_free_pages 1",
    "proc/meminfo": "MemTotal: 16777216 kB\nMemAvailable: 8388608 kB\nSwapFree: 102400 kB",
  });
}

function watch(
  machine: TestMachine,
  { brakes = null, ...given }: Partial<NodePlan> & { brakes?: BrakeLimits | null } = {},
) {
  const place = { proc: machine.proc, cgroup: null };
  const reserve = { milliCpu: 0, memBytes: null };
  const plan: NodePlan = { milliCpu: null, memBytes: null, reserve, place, brakes, ...given };
  const { log, lines } = memoryLog();
  const readings: NodeReading[] = [];
  const node = new NodeWatch(
    {
      plan,
      log,
      capacityEveryMs: 10_000,
      brakeEveryMs: 1_000,
      now: () => Date.now(),
      onChange: (reading) => readings.push(reading),
    },
    sizeNode(plan),
  );
  node.start();
  return { node, readings, lines };
}

test("at the start it says how large the node is and where that is from", () => {
  const { node, lines } = watch(makeMachine(), { milliCpu: 3000 });
  expect(lines).toMatchObject([
    {
      msg: "the node has this much to hand out",
      size: { milliCpu: 3000, memBytes: 16 * GIB },
      source: { cpu: GIVEN, mem: "MemTotal of /proc/meminfo" },
      defaultReserve: { milliCpu: 0, memBytes: Math.ceil(16 * GIB * 0.05) },
    },
  ]);
  node.stop();
});

test("a plugged CPU and a changed limit are seen within ten seconds, and told once", () => {
  const machine = makeMachine({
    "proc/self/mountinfo": mountOf("ROOT/cg", "cgroup2", "rw"),
    "proc/self/cgroup": "0::/vms/agent",
  });
  const { node, readings, lines } = watch(machine);
  vi.advanceTimersByTime(60_000);
  expect(readings).toEqual([]);
  machine.write({ "proc/stat": "cpu  1\ncpu0 1\ncpu1 1\ncpu2 1", "cg/vms/memory.max": 4 * GIB });
  vi.advanceTimersByTime(10_000);
  expect(readings).toHaveLength(1);
  expect(readings[0]).toMatchObject({
    size: { milliCpu: 3000, memBytes: 4 * GIB },
    source: { mem: machine.at("cg/vms/memory.max") },
    brake: null,
  });
  expect(readings[0]?.defaultReserve).toEqual({ milliCpu: 0, memBytes: 0.5 * GIB });
  expect(lines.at(-1)).toMatchObject({ msg: "the node has another size" });
  vi.advanceTimersByTime(60_000);
  expect(readings).toHaveLength(1);
  node.stop();
});

test("what is given is not detected, whatever the machine says", () => {
  const machine = makeMachine();
  const { node, readings } = watch(machine, { milliCpu: 1000, memBytes: GIB });
  machine.write({ "proc/stat": "cpu0 1", "proc/meminfo": "MemTotal: 1 kB" });
  vi.advanceTimersByTime(60_000);
  expect(readings).toEqual([]);
  expect(node.reading.defaultReserve.memBytes).toBe(0); // who gives a size has thought of it
  node.stop();
});

test("a size that can't be read any more stays, and that is said once", () => {
  const machine = makeMachine();
  const { node, readings, lines } = watch(machine);
  machine.remove("proc/meminfo");
  vi.advanceTimersByTime(60_000);
  expect(readings).toEqual([]);
  expect(node.reading.size.memBytes).toBe(16 * GIB);
  expect(lines.filter(({ msg }) => msg === "the node keeps its size")).toHaveLength(1);
  node.stop();
});

test.for([
  {
    name: "memory pressure",
    trouble: (second: number) => ({
      "proc/pressure/memory": `some avg10=1 avg60=1 avg300=1 total=${1000 + second * 400_000}`,
    }),
    brake: "memory pressure 40 % (limit 10 %)",
  },
  {
    name: "swapping",
    trouble: (second: number) => ({
      "proc/vmstat": `pswpin ${10 + second * 1000}\npswpout ${20 + second * 500}`,
    }),
    brake: "swapping 1500 pages/s (limit 1000), 100 MiB of swap free",
  },
  {
    name: "little memory available",
    trouble: () => ({ "proc/meminfo": "MemTotal: 16777216 kB\nMemAvailable: 184320 kB" }),
    brake: "180 MiB available (limit 256 MiB)",
  },
])("$name puts the brake on, and calm lets it go", ({ trouble, brake }) => {
  const machine = makeMachine();
  calm(machine);
  const limits = { ...BRAKE_LIMITS, releaseAfterMs: 5_000 };
  const { node, readings, lines } = watch(machine, {
    ...{ milliCpu: 1000, memBytes: GIB },
    brakes: limits,
  });
  for (let second = 1; second <= 8; second += 1) {
    machine.write(trouble(second));
    vi.advanceTimersByTime(1_000);
  }
  expect(readings).toHaveLength(1);
  expect(readings[0]?.brake).toBe(brake);
  expect(node.reading.brake).toBe(readings[0]?.brake);
  expect(lines.at(-1)).toMatchObject({ level: "warn", brake: readings[0]?.brake });
  vi.advanceTimersByTime(20_000); // the counters stand still
  if (brake.includes("available")) calm(machine);
  vi.advanceTimersByTime(20_000);
  expect(readings.map((reading) => reading.brake)).toEqual([readings[0]?.brake, null]);
  expect(lines.at(-1)).toMatchObject({ msg: "the node is well again: VMs may grow" });
  node.stop();
});

test("a kernel without PSI: the other signals only, said once", () => {
  const machine = makeMachine();
  calm(machine);
  machine.remove("proc/pressure/memory");
  const { node, lines } = watch(machine, { brakes: BRAKE_LIMITS });
  vi.advanceTimersByTime(10_000);
  const said = lines.filter(({ msg }) => msg.startsWith("this kernel does not say"));
  expect(said).toMatchObject([{ missing: ["memory pressure"] }]);
  expect(node.pressure).toEqual({ memory: null, cpu: null, io: null });
  node.stop();
});

test("a slice's own pressure is taken where there is one", () => {
  const machine = makeMachine({ "cg/vms/memory.pressure": "some avg10=0 total=5000" });
  calm(machine);
  const place = { proc: machine.proc, cgroup: machine.at("cg/vms") };
  const { node, readings } = watch(machine, { place, brakes: BRAKE_LIMITS });
  for (let second = 1; second <= 8; second += 1) {
    machine.write({ "cg/vms/memory.pressure": `some avg10=9 total=${5000 + second * 500_000}` });
    vi.advanceTimersByTime(1_000);
  }
  expect(readings.map(({ brake }) => brake)).toEqual([
    expect.stringMatching(/^memory pressure \d+ % \(limit 10 %\)$/),
  ]);
  expect(node.pressure.memory).toBeCloseTo(0.5);
  node.stop();
});

test("brakes that are off look at nothing", () => {
  const machine = makeMachine();
  const { node, readings, lines } = watch(machine);
  machine.write({ "proc/meminfo": "MemTotal: 16777216 kB\nMemAvailable: 1 kB" });
  vi.advanceTimersByTime(60_000);
  expect([readings, lines.length]).toEqual([[], 1]);
  node.stop();
});
