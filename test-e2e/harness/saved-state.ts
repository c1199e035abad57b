// A booted, settled guest on disk: tests start from it in two seconds instead of twenty.
import { statSync } from "node:fs";
import { join } from "node:path";
import { type QmpClient } from "@selfscale/qmp";
import { cached } from "../guest/cache.ts";
import { type GuestImage } from "../guest/image.ts";
import { run } from "../guest/run.ts";
import { makeRunDir } from "./cleanup.ts";
import { execInGuest } from "./exec-channel.ts";
import { type Disk, type Machine, machineArgs, Qemu, qemuVersion } from "./qemu.ts";
import { waitUntilReady } from "./ready.ts";
import { until } from "./until.ts";

/** `disk` belongs to `ram`: the file system as the running guest had it. */
export type SavedState = Readonly<{ ram: string; disk: Disk }>;

/** The saved state of this machine, made by booting it if there is none. */
export async function ensureState(machine: Machine, image: GuestImage): Promise<SavedState> {
  const { kernel, baseDisk, toolsDisk } = image;
  const files = [kernel.vmlinux, kernel.initramfs, baseDisk, toolsDisk].flatMap(identity);
  const dir = await cached({
    name: "state",
    key: [await qemuVersion(), ...machineArgs(machine), ...files],
    keep: 6,
    what: `booting a guest to save its state (${machine.accelerator})`,
    build: async (dir) => {
      const overlay = join(dir, "disk.qcow2");
      await run("qemu-img", ["create", "-q", "-f", "qcow2", "-F", "raw", "-b", baseDisk, overlay]);
      await bootAndSave(machine, image, overlay, join(dir, "ram"));
    },
  });
  const disk: Disk = { file: join(dir, "disk.qcow2"), format: "qcow2", isKept: false };
  return { ram: join(dir, "ram"), disk };
}

/** A disk built again from the same recipe has the same path and other blocks: RAM must not meet it. */
function identity(file: string): string[] {
  const { size, mtimeNs } = statSync(file, { bigint: true });
  return [file, `${size}`, `${mtimeNs}`];
}

async function bootAndSave(
  machine: Machine,
  image: GuestImage,
  overlay: string,
  ram: string,
): Promise<void> {
  const runDir = await makeRunDir();
  const disk: Disk = { file: overlay, format: "qcow2", isKept: true };
  const qemu = await Qemu.launch({
    ...{ machine, image, runDir, disk, ports: null },
    ...{ stateFile: null, cgroup: null },
  });
  try {
    await waitUntilReady(qemu);
    const settled = await execInGuest(qemu.ports.exec, "wait-settled && sync", {
      timeoutMs: 90_000,
    });
    if (settled.code !== 0) throw new Error("the guest did not come to rest after its boot");
    const qmp = await qemu.connect();
    await save(qmp, ram);
    qmp.close();
  } finally {
    await qemu.kill();
  }
  process.stderr.write(`guest: saved state: ${Math.round(statSync(ram).size / 2 ** 20)} MiB\n`);
}

async function save(qmp: QmpClient, ram: string): Promise<void> {
  await qmp.execute("stop", {});
  // QEMU's default is a network's speed.
  await qmp.executeUntyped("migrate-set-parameters", { "max-bandwidth": 2 ** 33 });
  await qmp.execute("migrate", { uri: `exec:cat >'${ram.replaceAll("'", `'\\''`)}'` });
  await until("the state is written", async () => {
    const { status } = await qmp.execute("query-migrate", {});
    if (status === "failed" || status === "cancelled") throw new Error(`saving ${status}`);
    return status === "completed";
  });
  // Killed at its end, so the disk's file must be complete now.
  await qmp.execute("quit", {}).catch(() => undefined);
  await qmp.closed;
}
