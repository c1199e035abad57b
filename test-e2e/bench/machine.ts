// The data of the machine that the figures come from. A figure without it says nothing.
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";
import { promisify } from "node:util";
import { ensureGuest } from "../guest/image.ts";
import { findAccelerator } from "../harness/accelerator.ts";
import { MIB } from "../harness/truth.ts";

export async function machineLines(): Promise<string[]> {
  const image = await ensureGuest();
  const accelerator = await findAccelerator(image.kernel);
  const { stdout } = await promisify(execFile)("qemu-system-x86_64", ["--version"]);
  const qemu = stdout.split("\n")[0] ?? "";
  const rows = [
    ["CPU", `${cpus()[0]?.model.trim() ?? "unknown"}, ${cpus().length} cores`],
    ["memory", `${Math.round(totalmem() / MIB)} MiB`],
    ["kernel", release()],
    ["node", process.version],
    ["QEMU", `${qemu.replace("QEMU emulator version ", "")}, ${accelerator}`],
    ["guest", "1 vCPU and 512 MiB at rest, up to 4 vCPUs and 2560 MiB, preset demo"],
    ["load", loadLine()],
    ["date", new Date().toISOString()],
  ];
  return rows.map(([name, text]) => `  ${(name ?? "").padEnd(8)}${text ?? ""}`);
}

/** Load averages of the machine now: others' work shows here. */
export function loadLine(): string {
  const running = readFileSync("/proc/loadavg", "utf8").split(" ")[3] ?? "?";
  const averages = loadavg().map((load) => load.toFixed(2));
  return `${averages.join(", ")} over 1, 5, 15 minutes; ${running} tasks run now`;
}
