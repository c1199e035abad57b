// What the schema can't see: one value against another, and against the file system.
import fs from "node:fs";
import path from "node:path";
import { CgroupError, findCgroup } from "../hypervisor/cgroup.ts";
import { NodeSizeError, sizeNode, reserveOf, type NodePlan, type NodeSize } from "../node/plan.ts";
import { legacyOf } from "./legacy.ts";
import { sayBytes } from "./quantities.ts";
import { isSecure, type ConfigFile, type LegacyOverrides } from "./schema.ts";

/** A problem at a place in the file. `expected` completes "got …, expected". */
export type Mismatch = Readonly<{ path: readonly PropertyKey[]; expected: string }>;

/** Everything wrong with a file that is right key by key, whatever VMs there are on this machine. */
export function findMismatches(file: ConfigFile, plan: NodePlan): readonly Mismatch[] {
  return [
    ...file.vms.flatMap((vm, index) => checkBounds(vm.bounds, ["vms", index, "bounds"])),
    ...checkCapacity(file, plan),
    ...checkLegacy(file),
    ...checkMetrics(file),
    ...checkOneOfAKind(file),
    ...file.vms.flatMap((vm, index) => checkTls(vm, ["vms", index, "tls"])),
  ];
}

function checkBounds(
  { min, max }: ConfigFile["vms"][number]["bounds"],
  path: readonly PropertyKey[],
): readonly Mismatch[] {
  const found: Mismatch[] = [];
  if (min.cpu > max.cpu) {
    const expected = `at most bounds.max.cpu, which is ${max.cpu / 1000}`;
    found.push({ path: [...path, "min", "cpu"], expected });
  }
  if (min.mem > max.mem) {
    const expected = `at most bounds.max.mem, which is ${sayBytes(max.mem)}`;
    found.push({ path: [...path, "min", "mem"], expected });
  }
  return found;
}

/** Every VM must be able to run at its minimum, all at once, in what may be handed out. */
function checkCapacity({ node, vms }: ConfigFile, plan: NodePlan): readonly Mismatch[] {
  if (node.cgroup !== undefined && !fs.existsSync(node.cgroup)) {
    return [{ path: ["node", "cgroup"], expected: "an existing cgroup folder" }];
  }
  const nodeSize = nodeSizeOf(plan);
  if (nodeSize instanceof NodeSizeError) {
    return [{ path: ["node", nodeSize.resource], expected: "a size: none can be detected here" }];
  }
  const { size } = nodeSize;
  const reserve = reserveOf(plan, nodeSize);
  const { overcommit } = node;
  const found: Mismatch[] = [];
  const cpu = vms.reduce((sum, vm) => sum + vm.bounds.min.cpu, 0);
  const mem = vms.reduce((sum, vm) => sum + vm.bounds.min.mem, 0);
  const overhead = vms.length * node.overheadPerVm;
  const who = vms.length === 1 ? "the VM's" : `the ${vms.length} VMs'`;
  if (cpu + reserve.milliCpu > Math.floor(size.milliCpu * overcommit.cpu)) {
    const detected =
      plan.milliCpu === null ? ` (${size.milliCpu / 1000} by ${nodeSize.source.cpu})` : "";
    const least = Math.ceil((cpu + reserve.milliCpu) / overcommit.cpu) / 1000;
    const kept = reserve.milliCpu > 0 ? ` and node.reserve.cpu is ${reserve.milliCpu / 1000}` : "";
    const expected = `at least ${least}: ${who} bounds.min${kept}${detected}`;
    found.push({ path: ["node", "cpu"], expected });
  }
  const needed = mem + overhead + reserve.memBytes;
  if (needed > Math.floor(size.memBytes * overcommit.mem)) {
    const detected =
      plan.memBytes === null ? ` (${sayBytes(size.memBytes)} by ${nodeSize.source.mem})` : "";
    const kept = reserve.memBytes > 0 ? `, node.reserve.mem is ${sayBytes(reserve.memBytes)}` : "";
    const expected =
      `at least ${sayBytes(Math.ceil(needed / overcommit.mem))}: ${who} bounds.min is ${sayBytes(mem)}${kept} ` +
      `and node.overheadPerVm makes ${sayBytes(overhead)}${detected}`;
    found.push({ path: ["node", "mem"], expected });
  }
  return found;
}

function nodeSizeOf(plan: NodePlan): NodeSize | NodeSizeError {
  try {
    return sizeNode(plan);
  } catch (error) {
    if (error instanceof NodeSizeError) return error;
    throw error;
  }
}

function checkLegacy(file: ConfigFile): readonly Mismatch[] {
  const checkOne = (own: LegacyOverrides | undefined, path: readonly PropertyKey[]) => {
    const merged = legacyOf(file.legacy, own);
    const found: Mismatch[] = [];
    // The deployed algorithm reads past the end of its window otherwise, and crashes.
    if (merged.lfcWindowSizeMinutes < 2) {
      found.push({ path: [...path, "lfcWindowSizeMinutes"], expected: "at least 2" });
    }
    if (merged.lfcMinWaitBeforeDownscaleMinutes < merged.lfcWindowSizeMinutes) {
      const { lfcWindowSizeMinutes, lfcMinWaitBeforeDownscaleMinutes } = merged;
      const expected =
        `at least lfcWindowSizeMinutes, which is ${lfcWindowSizeMinutes} ` +
        `(now it is ${lfcMinWaitBeforeDownscaleMinutes})`;
      found.push({ path: [...path, "lfcMinWaitBeforeDownscaleMinutes"], expected });
    }
    return found;
  };
  const shared = file.legacy === undefined ? [] : checkOne(undefined, ["legacy"]);
  if (shared.length > 0) return shared;
  return file.vms.flatMap((vm, index) =>
    vm.legacy === undefined ? [] : checkOne(vm.legacy, ["vms", index, "legacy"]),
  );
}

/** A working set alone never decides: without host metrics nothing may shrink. */
function checkMetrics({ vms }: ConfigFile): readonly Mismatch[] {
  return vms.flatMap(({ metrics, lfcMetrics }, index) => {
    if (lfcMetrics === undefined || metrics !== undefined) return [];
    const expected = "the address of its host metrics too: lfcMetrics is nothing without it";
    return [{ path: ["vms", index, "metrics"], expected }];
  });
}

/** What two VMs can't share: each would act on the other. */
function checkOneOfAKind({ vms }: ConfigFile): readonly Mismatch[] {
  const found: Mismatch[] = [];
  const kinds = {
    name: (text: string) => text,
    qmp: (text: string) => (text.startsWith("unix:") ? `unix:${realPath(text.slice(5))}` : text),
    monitor: (text: string) => new URL(text).href,
    cgroup: realPath,
  };
  for (const [key, normal] of Object.entries(kinds)) {
    const seen = new Map<string, number>();
    for (const [index, vm] of vms.entries()) {
      const value = vm[key as keyof typeof kinds];
      if (value === undefined) continue;
      const first = seen.get(normal(value));
      if (first === undefined) seen.set(normal(value), index);
      else {
        const expected = `one of its own: vms[${first}] has it too`;
        found.push({ path: ["vms", index, key], expected });
      }
    }
  }
  return found;
}

/** What the file names and an agent can't start without. `folder`: what its paths start from. */
export function findMissing({ vms }: ConfigFile, folder: string): readonly Mismatch[] {
  const found: Mismatch[] = [];
  for (const [index, vm] of vms.entries()) {
    if (vm.token !== undefined) {
      const problem = fileProblem(path.resolve(folder, vm.token));
      if (problem !== null) {
        const expected = `a readable file with a token: ${problem}`;
        found.push({ path: ["vms", index, "token"], expected });
      }
    }
    found.push(...checkTlsFiles(vm.tls, ["vms", index, "tls"], folder));
    if (vm.cgroup !== undefined) {
      try {
        findCgroup(vm.cgroup);
      } catch (error) {
        if (!(error instanceof CgroupError)) throw error;
        const expected = `an existing cgroup folder with a CPU limit: ${error.message}`;
        found.push({ path: ["vms", index, "cgroup"], expected });
      }
    }
  }
  return found;
}

function checkTls(
  { tls, monitor }: ConfigFile["vms"][number],
  place: readonly PropertyKey[],
): readonly Mismatch[] {
  if (tls === undefined) return [];
  if (!isSecure(monitor)) return [{ path: place, expected: "a wss:// address in monitor for it" }];
  const { cert, key } = tls;
  if ((cert === undefined) === (key === undefined)) return [];
  const missing = cert === undefined ? "cert" : "key";
  return [{ path: [...place, missing], expected: "a path: cert and key go together" }];
}

function checkTlsFiles(
  tls: ConfigFile["vms"][number]["tls"],
  place: readonly PropertyKey[],
  folder: string,
): readonly Mismatch[] {
  if (tls === undefined) return [];
  return (["ca", "cert", "key"] as const).flatMap((name) => {
    const file = tls[name];
    const problem = file === undefined ? null : fileProblem(path.resolve(folder, file));
    if (problem === null) return [];
    return [{ path: [...place, name], expected: `a readable PEM file: ${problem}` }];
  });
}

function fileProblem(file: string): string | null {
  try {
    return fs.readFileSync(file, "utf8").trim() === "" ? "it is empty" : null;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

/** Through links, where they lead somewhere; a socket may also not be there yet. */
function realPath(file: string): string {
  try {
    return fs.realpathSync(file);
  } catch {
    return path.resolve(file); // not there yet: its own name is all there is to compare
  }
}
