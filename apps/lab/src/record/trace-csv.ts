// A trace as the CSV that replay reads.

export const TRACE_HEAD = "t_s,cpu,mem_bytes,cache_bytes\n";
/** Where nobody tells which file pages are in use. */
export const TRACE_HEAD_WITHOUT_CACHE = "t_s,cpu,mem_bytes\n";

export type Point = Readonly<{
  atMs: number;
  /** vCPUs in use, from here to the next point. */
  cpu: number;
  /** Of processes: anonymous, shared and swapped. */
  memBytes: number;
  /** null: unknown, as the head said. */
  cacheBytes: number | null;
}>;

export function traceLine({ atMs, cpu, memBytes, cacheBytes }: Point): string {
  const cells = [(atMs / 1000).toFixed(3), cpu.toFixed(4), String(Math.round(memBytes))];
  if (cacheBytes !== null) cells.push(String(Math.round(cacheBytes)));
  return `${cells.join(",")}\n`;
}
