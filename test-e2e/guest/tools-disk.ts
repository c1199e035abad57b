// The guest's second disk: everything of ours. Built in a second, so the large disk stays when the monitor changes.
import { cpSync, existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { makeDisk } from "./base-disk.ts";
import { cached, contents, FILES_DIR, REPOSITORY } from "./cache.ts";

export const MONITOR_BUNDLE = join(REPOSITORY, "dist/selfscale-monitor.cjs");

/** The disk's file. The initramfs mounts it read-only at /opt/selfscale. */
export async function ensureToolsDisk(monitorBundle = MONITOR_BUNDLE): Promise<string> {
  if (!existsSync(monitorBundle)) {
    throw new Error(`${monitorBundle} is not there: run "make build" first`);
  }
  const dir = await cached({
    name: "tools",
    key: [...contents(FILES_DIR), readFileSync(monitorBundle, "latin1")],
    keep: 3,
    what: "disk with the monitor and the test programs",
    build: async (dir) => {
      const root = join(dir, "root");
      cpSync(FILES_DIR, root, { recursive: true });
      cpSync(monitorBundle, join(root, "selfscale-monitor.cjs"));
      await makeDisk(root, join(dir, "disk.raw"), "16M");
      rmSync(root, { recursive: true });
    },
  });
  return join(dir, "disk.raw");
}
