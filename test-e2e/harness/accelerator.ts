// KVM only where a guest truly runs with it: on nested machines it may be offered, accept everything, and hang.
import { spawn } from "node:child_process";
import { accessSync, constants, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cached } from "../guest/cache.ts";
import { type Kernel } from "../guest/kernel.ts";
import { qemuVersion } from "./qemu.ts";

export type Accelerator = "kvm" | "tcg";

/** A guest with working KVM is through in half a second. */
const PROBE_DEADLINE_MS = 8_000;
/** Printed by the initramfs when the kernel's arguments have "selfscale.probe". */
const PROBE_ANSWER = "selfscale: guest runs";

/** What guests on this machine run with. Tried once per boot of the machine. */
export async function findAccelerator(kernel: Kernel): Promise<Accelerator> {
  try {
    accessSync("/dev/kvm", constants.R_OK | constants.W_OK);
  } catch {
    // Not there, or not ours.
    return "tcg";
  }
  const bootId = readFileSync("/proc/sys/kernel/random/boot_id", "utf8");
  const dir = await cached({
    name: "accelerator",
    key: [bootId, await qemuVersion(), kernel.vmlinux],
    keep: 1,
    what: "trying KVM",
    build: async (dir) => {
      const found = (await runsWithKvm(kernel)) ? "kvm" : "tcg";
      writeFileSync(join(dir, "found"), found);
    },
  });
  return readFileSync(join(dir, "found"), "utf8") as Accelerator;
}

async function runsWithKvm(kernel: Kernel): Promise<boolean> {
  const qemu = ["-nodefaults", "-no-user-config", "-display", "none", "-M", "q35", "-m", "256M"];
  const kvm = ["-accel", "kvm", "-cpu", "host", "-no-reboot", "-serial", "stdio"];
  const boot = ["-kernel", kernel.vmlinux, "-initrd", kernel.initramfs];
  const append = ["-append", "console=ttyS0 quiet panic=-1 selfscale.probe"];
  const guest = ["qemu-system-x86_64", ...qemu, ...kvm, ...boot, ...append];
  const child = spawn("setpriv", ["--pdeathsig", "KILL", ...guest], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  let text = "";
  return await new Promise((resolve) => {
    const timer = setTimeout(() => child.kill("SIGKILL"), PROBE_DEADLINE_MS);
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
      // The answer counts, not whether powering off works too.
      if (text.includes(PROBE_ANSWER)) child.kill("SIGKILL");
    });
    child.on("error", () => resolve(false));
    child.on("close", () => {
      clearTimeout(timer);
      resolve(text.includes(PROBE_ANSWER));
    });
  });
}
