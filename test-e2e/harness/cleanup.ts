// Nothing may outlive a test run: QEMU dies with its parent (see qemu.ts), the rest is removed here.
import { readdirSync, readlinkSync, rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isAlive } from "../guest/cache.ts";
import { cgroupParent, removeCgroup } from "./cgroup.ts";

const PREFIXES = { guest: "selfscale-guest-", agent: "selfscale-agent-" };
/** How long a killed QEMU may take to leave its cgroup. */
const LEAVE_DEADLINE_MS = 2_000;
const PARENT_CHECK_MS = 500;
/** Before anything can have killed it. */
const PARENT = process.ppid;

/** What one guest owns on this machine. */
export type Belongings = { pid: number | null; runDir: string; cgroup: string | null };

const owned = new Set<Belongings>();
let isHooked = false;

/** A folder for sockets and logs of one guest or agent: only ours to read, and named by its owner. */
export async function makeRunDir(what: keyof typeof PREFIXES = "guest"): Promise<string> {
  removeLeftovers();
  return await mkdtemp(join(tmpdir(), `${PREFIXES[what]}${process.pid}-`));
}

/** From now on `disown` or the end of this process ends and removes it. */
export function own(belongings: Belongings): void {
  hookExit();
  owned.add(belongings);
}

/** Ends the process, if it lives, and removes what it had. Synchronous: also runs on the way out. */
export function disown(belongings: Belongings): void {
  if (!owned.delete(belongings)) return;
  const { pid, runDir, cgroup } = belongings;
  if (pid !== null) killIfAlive(pid);
  const deadline = performance.now() + LEAVE_DEADLINE_MS;
  while (cgroup !== null && !removeCgroup(cgroup) && performance.now() < deadline) blockFor(10);
  rmSync(runDir, { recursive: true, force: true });
}

/** Folders and cgroups whose owner was killed before it could remove them. */
export function removeLeftovers(): void {
  const isLeft = (name: string, prefix: string) => {
    const pid = Number(new RegExp(`^${prefix}(\\d+)-`).exec(name)?.[1] ?? NaN);
    return pid > 0 && !isAlive(pid);
  };
  for (const name of readdirSync(tmpdir())) {
    const isOurs = Object.values(PREFIXES).some((prefix) => isLeft(name, prefix));
    if (isOurs) rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
  const parent = cgroupParent();
  if (parent === null) return;
  for (const name of readdirSync(parent)) {
    if (isLeft(name, "selfscale-")) removeCgroup(join(parent, name));
  }
}

function hookExit(): void {
  if (isHooked) return;
  isHooked = true;
  const removeAll = () => {
    for (const belongings of [...owned]) disown(belongings);
  };
  process.on("exit", removeAll);
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
    process.once(signal, () => {
      removeAll();
      // The default action, which our listener replaced, tells the parent why we ended.
      process.kill(process.pid, signal);
    });
  }
  onParentGone(() => {
    removeAll();
    // Not process.exit: vitest puts its own in that place.
    process.kill(process.pid, "SIGKILL");
  });
}

/**
 * vitest and tsx run tests in a child that goes on alone when they are killed, and the guests with it.
 * A shell that ends is no such parent: what it left in the background is meant to go on.
 */
function onParentGone(end: () => void): void {
  if (!isSameProgram(PARENT)) return;
  setInterval(() => {
    if (process.ppid !== PARENT) end();
  }, PARENT_CHECK_MS).unref();
}

function isSameProgram(pid: number): boolean {
  try {
    return readlinkSync(`/proc/${pid}/exe`) === readlinkSync("/proc/self/exe");
  } catch {
    // Another user's, or gone.
    return false;
  }
}

function killIfAlive(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended by itself.
  }
}

function blockFor(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
