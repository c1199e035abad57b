import fs from "node:fs";
import { findMissing, type Mismatch } from "./check.ts";
import { sizeNode, type NodeSize } from "../node/plan.ts";
import { describeMismatches, readConfig } from "./load.ts";
import { sayBytes } from "./quantities.ts";
import { type ConfigFile } from "./schema.ts";

/**
 * What an agent would do by this file, and what it would miss on this machine: for people. Throws ConfigError when
 * something is wrong with the file itself.
 */
export function checkConfig(file: string): string {
  const { config, plan, source, folder } = readConfig(file);
  const missing = [
    ...findMissing(config, folder).map((one) => ({ one, effect: "the agent does not start" })),
    ...missingSockets(config).map((one) => ({ one, effect: "this VM waits for its QEMU" })),
  ];
  const warnings = missing.map(({ one, effect }) => {
    return `warning: ${describeMismatches([one], source)}; until then ${effect}`;
  });
  return [`${file}: good`, ...summary(config, sizeNode(plan)), ...warnings, ""].join("\n");
}

function summary({ node, vms }: ConfigFile, nodeSize: NodeSize): string[] {
  const sum = (end: "min" | "max") => {
    const cpu = vms.reduce((total, { bounds }) => total + bounds[end].cpu, 0);
    const mem = vms.reduce((total, { bounds }) => total + bounds[end].mem, 0);
    return saySize({ cpu, mem });
  };
  const { size, source } = nodeSize;
  const found =
    node.cpu === undefined || node.mem === undefined
      ? ` (cpu: ${source.cpu}, mem: ${source.mem}; ${sayBytes(nodeSize.defaultReserve.memBytes)} kept for the node)`
      : "";
  const overhead = sayBytes(vms.length * node.overheadPerVm);
  return [
    `node: ${saySize({ cpu: size.milliCpu, mem: size.memBytes })}${found} for ${vms.length === 1 ? "1 VM" : `${vms.length} VMs`}, of which ${overhead} is their overhead`,
    `sum of bounds: min ${sum("min")}, max ${sum("max")}`,
    ...vms.map(describeVm),
  ];
}

function describeVm({ name, bounds, ...vm }: ConfigFile["vms"][number]): string {
  const parts = [
    `${saySize(bounds.min)} to ${saySize(bounds.max)}`,
    vm.cgroup === undefined ? "no cgroup: less CPU is advice" : "CPU by quota",
    ...(vm.memoryDevice === "none" ? ["memory is fixed"] : []),
    ...(vm.protocolMax === 1 ? ["offers version 1 only"] : []),
    ...(vm.metrics === undefined ? [] : ["metrics for a version-1 monitor"]),
    ...(vm.token === undefined ? [] : ["token"]),
  ];
  return `${name}: ${parts.join("; ")}`;
}

function missingSockets({ vms }: ConfigFile): Mismatch[] {
  return vms.flatMap(({ qmp }, index): Mismatch[] => {
    const problem = qmp.startsWith("unix:") ? socketProblem(qmp.slice("unix:".length)) : null;
    if (problem === null) return [];
    return [{ path: ["vms", index, "qmp"], expected: `a socket that QEMU listens on: ${problem}` }];
  });
}

function socketProblem(file: string): string | null {
  try {
    return fs.statSync(file).isSocket() ? null : "it is none";
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

function saySize({ cpu, mem }: Readonly<{ cpu: number; mem: number }>): string {
  return `${cpu / 1000} / ${sayBytes(mem)}`;
}
