// The same load in the same VM at a fixed size: what happens without anybody to grow it.
import { type Guest } from "../harness/guest.ts";
import { guestView } from "../harness/guest-view.ts";

/** Thrashing can go on for minutes before the kernel gives up on a process. */
const STOP_AFTER_S = 60;

export async function runAtFixedSize(guest: Guest, command: string): Promise<string> {
  const before = (await guestView(guest)).oomKills;
  const startedAt = performance.now();
  // `timeout` ends the whole process group: nothing of the load is left behind.
  const result = await guest.exec(`timeout -s KILL ${STOP_AFTER_S} sh -c '${command}'`, {
    timeoutMs: (STOP_AFTER_S + 90) * 1000,
  });
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(0);
  const kills = (await guestView(guest)).oomKills - before;
  if (kills > 0) return `killed for lack of memory within ${seconds} s (oom_kill +${kills})`;
  if (result.code === 0) return `it finished after ${seconds} s`;
  return `it thrashed for ${seconds} s and was stopped (code ${result.code})`;
}
