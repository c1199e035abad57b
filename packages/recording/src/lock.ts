// One writer per recording. A lock that a killed process left behind is taken over: it names the process by its number and
// its start, so that another one with the same number, after a reboot say, is not mistaken for it.
import { open, readFile, rm } from "node:fs/promises";

/** Rounds of finding a dead process's lock in the way. */
const MAX_TRIES = 3;

/** Resolves with null when the lock is ours, else with the number of the process that has it. */
export async function takeLock(path: string): Promise<number | null> {
  const ours = `${process.pid} ${(await startOf(process.pid)) ?? "?"}\n`;
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    if (await create(path, ours)) return null;
    const [pid = "", start = ""] = (await readOrEmpty(path)).trim().split(" ");
    const isAlive = /^\d+$/.test(pid) && start !== "" && (await startOf(Number(pid))) === start;
    if (isAlive) return Number(pid);
    await rm(path, { force: true });
  }
  throw new Error(`${path} comes back whenever it is removed`);
}

export async function releaseLock(path: string): Promise<void> {
  await rm(path, { force: true });
}

async function create(path: string, text: string): Promise<boolean> {
  let handle;
  try {
    handle = await open(path, "wx", 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
  try {
    await handle.writeFile(text);
    return true;
  } catch (error) {
    await rm(path, { force: true }); // empty, on a full disk: it would say nothing
    throw error;
  } finally {
    await handle.close();
  }
}

/** When the process started, in the kernel's ticks since boot; null when there is none. */
async function startOf(pid: number): Promise<string | null> {
  const stat = await readOrEmpty(`/proc/${pid}/stat`);
  // Its second field is a name in brackets that may hold anything; the start is the 22nd.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[19] ?? null;
}

async function readOrEmpty(path: string): Promise<string> {
  // Gone or unreadable: whoever asks has a meaning for knowing nothing.
  return await readFile(path, "utf8").catch(() => "");
}
