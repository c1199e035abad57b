import { type Size } from "@selfscale/protocol";
import { sayBytes } from "../config/quantities.ts";
import { type OrderStatus } from "../shell/vm-runner.ts";

/** "2 / 1.5Gi": vCPUs and memory. */
export function saySize(size: Size): string {
  return `${size.milliCpu / 1000} / ${sayBytes(size.memBytes)}`;
}

/** "paused until …; at least 2 / 1Gi until …"; null when nothing is ordered. */
export function sayOrders(
  { paused, floor }: OrderStatus,
  sayUntil: (until: string) => string,
): string | null {
  const said: string[] = [];
  if (paused !== null) {
    said.push(paused.until === null ? "paused" : `paused ${sayUntil(paused.until)}`);
  }
  if (floor !== null) said.push(`at least ${saySize(floor.size)} ${sayUntil(floor.until)}`);
  return said.length === 0 ? null : said.join("; ");
}
