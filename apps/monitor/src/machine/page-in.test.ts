import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { calibrate, FAST_BYTES_PER_SEC, isEmulated, pageInRate } from "./page-in.ts";

function cpuinfo(kernel: string): string {
  const url = new URL(`../sensors/fixtures/${kernel}/cpuinfo.txt`, import.meta.url);
  return fs.readFileSync(url, "latin1");
}

const TCG = cpuinfo("linux-6.1-tcg");
const METAL = cpuinfo("linux-6.18");
const EPYC_MODEL = METAL;
const QEMU64 = TCG.replace("QEMU TCG CPU version 2.5+", "QEMU Virtual CPU version 2.5+");

test.for([
  {
    name: "TCG, -cpu max (recorded)",
    cpuinfo: TCG,
    clocksources: "hpet acpi_pm \n",
    vendor: "QEMU\n",
    want: true,
  },
  {
    name: "TCG, -cpu qemu64",
    cpuinfo: QEMU64,
    clocksources: "tsc hpet acpi_pm",
    vendor: "QEMU",
    want: true,
  },
  {
    name: "KVM, -cpu qemu64",
    cpuinfo: QEMU64,
    clocksources: "kvm-clock tsc hpet",
    vendor: "QEMU",
    want: false,
  },
  {
    name: "TCG, -cpu EPYC",
    cpuinfo: EPYC_MODEL,
    clocksources: "tsc hpet acpi_pm",
    vendor: "QEMU",
    want: true,
  },
  {
    name: "KVM, -cpu host",
    cpuinfo: EPYC_MODEL,
    clocksources: "kvm-clock tsc acpi_pm",
    vendor: "QEMU",
    want: false,
  },
  {
    name: "Hyper-V clock on QEMU",
    cpuinfo: EPYC_MODEL,
    clocksources: "hyperv_clocksource_tsc_page",
    vendor: "QEMU",
    want: false,
  },
  {
    name: "metal",
    cpuinfo: METAL,
    clocksources: "tsc hpet acpi_pm",
    vendor: "Dell Inc.",
    want: false,
  },
  {
    name: "microvm without DMI",
    cpuinfo: METAL,
    clocksources: "kvm-clock tsc",
    vendor: null,
    want: false,
  },
  {
    name: "ARM",
    cpuinfo: "processor\t: 0\nCPU part\t: 0xd0c\n",
    clocksources: "arch_sys_counter",
    vendor: "QEMU",
    want: false,
  },
  { name: "nothing known", cpuinfo: null, clocksources: null, vendor: null, want: false },
])("$name: $want", ({ cpuinfo, clocksources, vendor, want }) => {
  expect(isEmulated({ cpuinfo, clocksources, vendor })).toBe(want);
});

test("a configured rate is taken as it is", () => {
  const roots = { proc: "/nowhere", sys: "/nowhere" };
  expect(pageInRate(1000, roots)).toEqual({ maxBytesPerSec: 1000, source: "config" });
});

test("auto: the fast rate on metal, a measured one when emulated", () => {
  const proc = fs.mkdtempSync(path.join(os.tmpdir(), "selfscale-proc-"));
  fs.writeFileSync(path.join(proc, "cpuinfo"), METAL);
  const roots = { proc, sys: "/nowhere" };
  expect(pageInRate("auto", roots)).toEqual({
    maxBytesPerSec: FAST_BYTES_PER_SEC,
    source: "kvm-or-metal",
  });
  fs.writeFileSync(path.join(proc, "cpuinfo"), TCG);
  expect(pageInRate("auto", roots)).toMatchObject({ source: "calibrated" });
  fs.rmSync(proc, { recursive: true });
});

test("calibration gives a rate within reason and keeps no memory", () => {
  const before = process.memoryUsage().arrayBuffers;
  const rate = calibrate();
  expect(rate).toBeGreaterThan(1024 ** 2);
  expect(rate).toBeLessThanOrEqual(FAST_BYTES_PER_SEC);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1024 ** 2);
});
