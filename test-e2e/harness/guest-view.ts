// The guest's own kernel, asked through the test's exec channel: what it can use, and whether it killed anything.
import { type Guest } from "./guest.ts";

export type GuestView = Readonly<{
  memTotalBytes: number;
  memAvailableBytes: number;
  onlineCpus: number;
  oomKills: number;
}>;

export async function guestView(guest: Guest): Promise<GuestView> {
  const { code, stdout, stderr } = await guest.exec(
    "cat /proc/meminfo /proc/vmstat; echo online $(nproc --all) $(cat /sys/devices/system/cpu/online)",
  );
  if (code !== 0) throw new Error(`the guest did not answer: ${stderr}`);
  const number = (pattern: RegExp) => Number(pattern.exec(stdout)?.[1] ?? NaN);
  return {
    memTotalBytes: number(/^MemTotal:\s+(\d+)/m) * 1024,
    memAvailableBytes: number(/^MemAvailable:\s+(\d+)/m) * 1024,
    onlineCpus: countCpus(/^online \d+ (\S+)/m.exec(stdout)?.[1] ?? ""),
    oomKills: number(/^oom_kill (\d+)/m),
  };
}

/** "0-2,4" is four. */
function countCpus(list: string): number {
  return list.split(",").reduce((sum, range) => {
    const [from, to] = range.split("-").map(Number);
    return sum + ((to ?? from ?? 0) - (from ?? 0) + 1);
  }, 0);
}
