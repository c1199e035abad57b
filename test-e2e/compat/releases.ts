// Agents and monitors of other times: those of each release, kept here, and a made-up one of next year.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { REPOSITORY } from "../guest/cache.ts";
import { run } from "../guest/run.ts";
import { MONITOR_BUNDLE } from "../guest/tools-disk.ts";
import { AGENT_BUNDLE } from "../harness/agent-process.ts";

/** Paths of files that node runs. */
export type Bundles = Readonly<{ agent: string; monitor: string }>;

export const TODAY: Bundles = { agent: AGENT_BUNDLE, monitor: MONITOR_BUNDLE };

const UNPACKED_DIR = join(REPOSITORY, ".cache/compat");

/** Oldest first. See README.md for how one comes here. */
export function releases(): string[] {
  const names = readdirSync(import.meta.dirname).filter((name) => /^\d+\.\d+\.\d+$/.test(name));
  return names.sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
}

export function unpackRelease(release: string): Bundles {
  const folder = join(UNPACKED_DIR, release);
  mkdirSync(folder, { recursive: true });
  const bundles = bundlesIn(folder);
  for (const path of Object.values(bundles)) {
    const packed = join(import.meta.dirname, release, `${path.slice(folder.length + 1)}.gz`);
    writeFileSync(path, gunzipSync(readFileSync(packed)));
  }
  return bundles;
}

/** Speaks versions 1 to 3, and words that nobody knows today: see scripts/next-year.mjs. */
export async function buildNextYear(): Promise<Bundles> {
  const folder = join(UNPACKED_DIR, "next-year");
  await run(process.execPath, ["scripts/next-year.mjs", folder], { cwd: REPOSITORY });
  return bundlesIn(folder);
}

function bundlesIn(folder: string): Bundles {
  return {
    agent: join(folder, "selfscale-agent.cjs"),
    monitor: join(folder, "selfscale-monitor.cjs"),
  };
}
