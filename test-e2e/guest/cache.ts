// What was built, by content: .cache/guest/<stage>-<hash>/. An entry is there completely or not at all.
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { unlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { announce } from "./run.ts";

export const REPOSITORY = resolve(import.meta.dirname, "../..");
export const CACHE_DIR = join(REPOSITORY, ".cache/guest");
export const FILES_DIR = join(import.meta.dirname, "files");

/** The longest anything takes on a slow machine: the root file system over a slow network. */
const LOCK_DEADLINE_MS = 15 * 60_000;

export type Stage = Readonly<{
  name: string;
  /** What the result depends on; a change makes another entry. */
  key: readonly string[];
  /** Entries of this stage that stay, the last used ones. */
  keep: number;
  /** Shown while it is built. */
  what: string;
  /** Fills the folder. Whatever it leaves there when it returns is the entry. */
  build: (dir: string) => Promise<void>;
}>;

/** The folder of this stage's entry, built if it is not there. */
export async function cached(stage: Stage): Promise<string> {
  const dir = entryPath(stage);
  if (isThere(dir)) {
    markUsed(dir);
    return dir;
  }
  mkdirSync(CACHE_DIR, { recursive: true });
  return await withLock(join(CACHE_DIR, `${stage.name}.lock`), async () => {
    // Another process may have built it while we waited.
    if (isThere(dir)) return dir;
    forgetUnfinished();
    const unfinished = `${dir}.tmp${process.pid}`;
    mkdirSync(unfinished);
    try {
      await announce(stage.what, async () => await stage.build(unfinished));
      renameSync(unfinished, dir);
    } finally {
      rmSync(unfinished, { recursive: true, force: true });
    }
    forgetOld(stage);
    return dir;
  });
}

function entryPath(stage: Stage): string {
  return join(CACHE_DIR, `${stage.name}-${hash(stage.key)}`);
}

/** Short on purpose: it is part of paths, and of socket paths limited to 107 bytes. */
export function hash(parts: readonly (string | Buffer)[]): string {
  const digest = createHash("sha256");
  for (const part of parts) digest.update(`${part.length}:`).update(part);
  return digest.digest("hex").slice(0, 16);
}

/** The names and texts of all files in a folder, for a key. */
export function contents(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(dir, entry.name);
      return entry.isDirectory() ? contents(path) : [entry.name, readFileSync(path, "latin1")];
    });
}

/** Saved states are large: only those used last stay. A running guest keeps the files it has open. */
function forgetOld({ name, keep }: Stage): void {
  const entries = readdirSync(CACHE_DIR)
    .filter((entry) => entry.startsWith(`${name}-`) && /-[0-9a-f]{16}$/.test(entry))
    .map((entry) => join(CACHE_DIR, entry))
    .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
  for (const path of entries.slice(keep)) rmSync(path, { recursive: true, force: true });
}

/** What builders left that were killed. */
function forgetUnfinished(): void {
  for (const entry of readdirSync(CACHE_DIR)) {
    const owner = Number(/\.tmp(\d+)$/.exec(entry)?.[1] ?? NaN);
    if (owner > 0 && !isAlive(owner)) rmSync(join(CACHE_DIR, entry), { recursive: true });
  }
}

function markUsed(dir: string): void {
  const now = new Date();
  utimesSync(dir, now, now);
}

/** One builder at a time, across processes. A lock whose owner is gone is taken over. */
async function withLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + LOCK_DEADLINE_MS;
  while (!take(path)) {
    if (performance.now() > deadline) throw new Error(`waited too long for ${path}`);
    await pause(200);
  }
  try {
    return await work();
  } finally {
    rmSync(path, { force: true });
  }
}

function take(path: string): boolean {
  try {
    writeFileSync(path, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  const owner = Number(readIfThere(path) ?? NaN);
  // An empty file belongs to someone between creating and writing it: not stale.
  if (owner > 0 && !isAlive(owner)) removeIfThere(path);
  return false;
}

/** Whether a process has this id and still runs: one that waits to be reaped does not. */
export function isAlive(pid: number): boolean {
  const stat = readIfThere(`/proc/${pid}/stat`);
  // The name before the state may itself hold brackets.
  return stat !== null && !/^[ZX]/.test(stat.slice(stat.lastIndexOf(")") + 2));
}

function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // Its owner ended, perhaps between our two looks.
    return null;
  }
}

function removeIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Somebody else saw the same dead owner and was quicker.
  }
}
