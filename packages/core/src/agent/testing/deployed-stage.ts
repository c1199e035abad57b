// VMs of the deployed agent's own tests (pkg/agent/core/state_test.go of neondatabase/autoscaling @a4bce09e), and what
// happens to them there, in our world: a version-1 monitor, sizes in compute units, a node that is a script.
import { type Size } from "@selfscale/protocol";
import { DEPLOYED_LEGACY_CONFIG } from "../../legacy/defaults.ts";
import { type LegacyConfig } from "../../legacy/types.ts";
import { json, numbers } from "../../testing/transcript.ts";
import { bounds, GIB, MIB, size, type Rig, type RigVm } from "./rig.ts";

type Command = (rest: string) => void;

/** The factors of those tests, DefaultInitialStateConfig. */
const FACTORS: LegacyConfig = {
  ...DEPLOYED_LEGACY_CONFIG,
  loadAverageFractionTarget: 0.5,
  memoryUsageFractionTarget: 0.5,
  lfcMinWaitBeforeDownscaleMinutes: 15,
};

const units = (count: number): Size => size(0.25 * count, 1024 * count);

/** `MIN MAX NOW {factors}`. One unit of memory is base memory. */
export function addDeployed(rig: Rig, text: string): RigVm {
  const [min, max, now] = numbers(text);
  const factors = json<Partial<LegacyConfig>>(text.slice(text.indexOf("{")));
  const vm = rig.add({
    hasMetrics: true,
    bounds: bounds(units(min), units(max)),
    legacy: { ...FACTORS, ...factors },
  });
  const plugged = units(now).memBytes - GIB;
  vm.facts = {
    ...vm.facts,
    baseMemBytes: GIB,
    memoryDevice: {
      sizeBytes: plugged,
      requestedBytes: plugged,
      maxBytes: 7 * GIB,
      blockBytes: 2 * MIB,
    },
    vcpusPlugged: Math.ceil(units(now).milliCpu / 1000),
    vcpusMax: 2,
    quotaMilliCpu: units(now).milliCpu,
  };
  vm.monitor.version = 1;
  vm.unplugBytesPerMs = GIB; // the steps matter here, not how a guest takes its time over them
  vm.node = (want) => want;
  return vm;
}

export function deployedCommands(rig: Rig, vm: RigVm): Readonly<Record<string, Command>> {
  const grants = (most: Size | null) => {
    vm.node = (want) => (most === null ? null : smaller(want, most));
  };
  return {
    /** `metrics LOAD1 USED_BYTES`. */
    metrics: (rest) => {
      const [load1, memUsageBytes] = numbers(rest);
      const memTotalBytes = vm.actual.memBytes;
      const system = { load1, load5: 0, memTotalBytes, memUsageBytes, memCachedBytes: 0 };
      rig.feed(vm, { kind: "metrics-scraped", metrics: { system, lfc: null } });
    },
    /** `desired CPU MIB`. */
    desired: (rest) => same("desired", rest, vm.state.want),
    /** `actual CPU MIB`: what QEMU shows now. */
    actual: (rest) => same("actual", rest, vm.actual),
    /** `grants COUNT` units at most from now on; `grants all`; `grants later`: no answer for now. */
    grants: (rest) => {
      if (rest === "all") grants(units(1000));
      else grants(rest === "later" ? null : units(Number(rest)));
    },
    /** `bounds-units MIN MAX`. */
    "bounds-units": (rest) => {
      const [min, max] = numbers(rest);
      const changed = bounds(units(min), units(max));
      rig.feed(vm, { kind: "bounds-changed", bounds: changed });
    },
    /** `agrees-down-to COUNT` units; `agrees-down-to nothing`: it refuses everything. */
    "agrees-down-to": (rest) => {
      const least = rest === "nothing" ? Infinity : 1024 * MIB * Number(rest);
      vm.monitor.consent = ({ cpu, mem }) => ({
        Ok: mem >= least && cpu * 4 >= least / GIB,
        Status: "scripted",
      });
    },
    /** A working set in pages, minute by minute. */
    lfc: (rest) => {
      const lfc = { workingSetPagesPerMinute: json<number[]>(rest) };
      rig.feed(vm, { kind: "metrics-scraped", metrics: { system: null, lfc } });
    },
    "refuse-commands": (rest) => (vm.refusals = Number(rest)),
    /** `unplugs MIB` per second. */
    unplugs: (rest) => (vm.unplugBytesPerMs = (Number(rest) * MIB) / 1000),
  };
}

function same(what: string, text: string, size: Size | null): void {
  const found = size === null ? "none" : `${size.milliCpu / 1000} ${size.memBytes / MIB}`;
  if (found !== text) throw new Error(`expected ${what} ${text}, not ${found}`);
}

function smaller(a: Size, b: Size): Size {
  return {
    milliCpu: Math.min(a.milliCpu, b.milliCpu),
    memBytes: Math.min(a.memBytes, b.memBytes),
  };
}
