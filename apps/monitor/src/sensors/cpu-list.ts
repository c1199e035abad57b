/** Which CPUs there are. Numbers in ascending order. */
export type CpuList = readonly number[];

/** Nobody has more; a list that claims so is not from a kernel. */
const MAX_CPU = 8192;

/**
 * The kernel's list format: `0-3,7`. An empty list (a lone newline: nothing is offline) is empty;
 * null when the text is not a list.
 */
export function parseCpuList(text: string): CpuList | null {
  const trimmed = text.trim();
  if (trimmed === "") return [];
  const cpus: number[] = [];
  for (const part of trimmed.split(",")) {
    const match = /^(\d{1,4})(?:-(\d{1,4}))?$/.exec(part);
    if (match === null) return null;
    const first = Number(match[1]);
    const last = Number(match[2] ?? match[1]);
    if (last < first || last > MAX_CPU) return null;
    for (let cpu = first; cpu <= last; cpu++) cpus.push(cpu);
  }
  return cpus;
}
