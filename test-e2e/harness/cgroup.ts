// A CPU cgroup per guest, as who starts QEMU would make it. The agent only writes the quota into it.
import { accessSync, constants, existsSync, mkdirSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";

const V1_PARENT = "/sys/fs/cgroup/cpu";
const V2_PARENT = "/sys/fs/cgroup";

/** Why no guest can have a cgroup here; null when it can. */
export function cgroupUnavailable(): string | null {
  const found = findParent();
  return "problem" in found ? found.problem : null;
}

/** A new folder; whoever writes their pid to its cgroup.procs is in it. */
export function makeCgroup(name: string): string {
  const found = findParent();
  if ("problem" in found) throw new Error(found.problem);
  const path = join(found.parent, name);
  mkdirSync(path);
  return path;
}

/** Whether it is gone; false while a process that was killed still leaves it. */
export function removeCgroup(path: string): boolean {
  try {
    rmdirSync(path);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT";
  }
}

/** Where `makeCgroup` puts them, for finding what dead owners left. */
export function cgroupParent(): string | null {
  const found = findParent();
  return "problem" in found ? null : found.parent;
}

function findParent(): { parent: string } | { problem: string } {
  const isV1 =
    existsSync(join(V1_PARENT, "cpu.cfs_quota_us")) || existsSync(join(V1_PARENT, "tasks"));
  const parent = isV1 ? V1_PARENT : V2_PARENT;
  if (!isV1) {
    const given = readIfThere(join(V2_PARENT, "cgroup.subtree_control"));
    if (given === null) return { problem: "no CPU cgroup is mounted" };
    if (!given.split(/\s+/).includes("cpu")) {
      return { problem: `${V2_PARENT}/cgroup.subtree_control does not hand on the cpu controller` };
    }
  }
  try {
    accessSync(parent, constants.W_OK);
    return { parent };
  } catch {
    // Only the fact counts: not root, or a read-only mount.
    return { problem: `${parent} can't be written` };
  }
}

function readIfThere(path: string): string | null {
  return existsSync(path) ? readFileSync(path, "utf8") : null;
}
