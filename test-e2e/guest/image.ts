// All a guest is started from. `tsx test-e2e/guest/image.ts` builds it ahead of the first test.
import { ensureBaseDisk } from "./base-disk.ts";
import { ensureKernel, type Kernel } from "./kernel.ts";
import { ensureToolsDisk } from "./tools-disk.ts";

export type GuestImage = Readonly<{ kernel: Kernel; baseDisk: string; toolsDisk: string }>;

/** Builds what is missing: about a minute and a half the first time, nothing after. */
export async function ensureGuest(monitorBundle?: string): Promise<GuestImage> {
  // First what may be refused, see base-disk.ts.
  const baseDisk = await ensureBaseDisk();
  const toolsDisk = await ensureToolsDisk(monitorBundle);
  return { kernel: await ensureKernel(), baseDisk, toolsDisk };
}

if (import.meta.filename === process.argv[1]) {
  process.stdout.write(`${JSON.stringify(await ensureGuest(), null, 2)}\n`);
}
