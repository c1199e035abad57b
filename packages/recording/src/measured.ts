// What a monitor records besides its conversation, when it is asked to: what it measured, and where a policy that runs
// beside the live one wants another size. Both are about the VM, on whatever connection.

/** CPU counters as the monitor read them; null: this kernel does not tell. */
export type CpuReading = Readonly<{
  busyMs: number;
  runDelayMs: number | null;
  somePressureMs: number | null;
  runnable: number | null;
  onlineCount: number;
  presentCount: number;
}>;

/** Memory figures as the monitor read them. `counters`: since boot, pages or events. */
export type MemoryReading = Readonly<{
  totalBytes: number;
  availableBytes: number;
  cachedBytes: number;
  swapTotalBytes: number;
  swapFreeBytes: number;
  anonBytes: number;
  shmemBytes: number;
  somePressureMs: number | null;
  counters: Readonly<{
    refaultedAnonPages: number;
    refaultedFilePages: number;
    allocationStalls: number;
    oomKills: number;
  }> | null;
  blocks: Readonly<{ blockBytes: number; onlineCount: number; offlineCount: number }> | null;
}>;

/** The newest of each at that moment: neither is older than the pause between two readings. */
export type SampleEvent = Readonly<{ kind: "sample"; cpu: CpuReading; mem: MemoryReading }>;

type Level = Readonly<{ milliCpu: number; memBytes: number }>;

/** From here on these are wanted: by the live policy, and by the one beside it. */
export type ShadowEvent = Readonly<{
  kind: "shadow";
  /** The name of the second policy's preset. */
  preset: string;
  live: Level;
  shadow: Level;
}>;

export type OwnEvent = SampleEvent | ShadowEvent;

type Fields = Readonly<Record<string, unknown>>;

const CPU_KEYS = ["busyMs", "onlineCount", "presentCount"] as const;
const CPU_KEYS_OR_NULL = ["runDelayMs", "somePressureMs", "runnable"] as const;
const MEMORY_KEYS = [
  "totalBytes",
  "availableBytes",
  "cachedBytes",
  "swapTotalBytes",
  "swapFreeBytes",
  "anonBytes",
  "shmemBytes",
] as const;
const MEMORY_KEYS_OR_NULL = ["somePressureMs"] as const;
const COUNTER_KEYS = [
  "refaultedAnonPages",
  "refaultedFilePages",
  "allocationStalls",
  "oomKills",
] as const;
const BLOCK_KEYS = ["blockBytes", "onlineCount", "offlineCount"] as const;

/** As it stands in the file. Four times a second it must be short: no more digits than were measured. */
export function ownFields(event: OwnEvent): object {
  if (event.kind === "shadow") {
    const { kind, preset, live, shadow } = event;
    return { kind, preset, live, shadow };
  }
  const { kind, cpu, mem } = event;
  const { counters, blocks } = mem;
  return {
    kind,
    cpu: shortened({ ...pick(cpu, CPU_KEYS), ...pick(cpu, CPU_KEYS_OR_NULL) }),
    mem: {
      ...shortened({ ...pick(mem, MEMORY_KEYS), ...pick(mem, MEMORY_KEYS_OR_NULL) }),
      counters: counters === null ? null : pick(counters, COUNTER_KEYS),
      blocks: blocks === null ? null : pick(blocks, BLOCK_KEYS),
    },
  };
}

/** null: not what this release takes for such an event. */
export function readOwn(fields: Fields): OwnEvent | null {
  if (fields["kind"] === "shadow") return readShadow(fields);
  const [cpu, mem] = [objectOf(fields["cpu"]), objectOf(fields["mem"])];
  if (fields["kind"] !== "sample" || cpu === null || mem === null) return null;
  const read = {
    cpu: { ...numbers(cpu, CPU_KEYS), ...numbersOrNull(cpu, CPU_KEYS_OR_NULL) },
    mem: { ...numbers(mem, MEMORY_KEYS), ...numbersOrNull(mem, MEMORY_KEYS_OR_NULL) },
    counters: numbers(objectOf(mem["counters"]) ?? {}, COUNTER_KEYS),
    blocks: numbers(objectOf(mem["blocks"]) ?? {}, BLOCK_KEYS),
  };
  if (!isWhole(read.cpu, CPU_KEYS) || !isWhole(read.mem, MEMORY_KEYS)) return null;
  const counters = isWhole(read.counters, COUNTER_KEYS) ? read.counters : null;
  const blocks = isWhole(read.blocks, BLOCK_KEYS) ? read.blocks : null;
  return { kind: "sample", cpu: read.cpu, mem: { ...read.mem, counters, blocks } };
}

function readShadow({ preset, live, shadow }: Fields): ShadowEvent | null {
  const levels = [live, shadow].map((one) =>
    numbers(objectOf(one) ?? {}, ["milliCpu", "memBytes"]),
  );
  const [a, b] = levels.filter((one) => isWhole(one, ["milliCpu", "memBytes"]));
  if (typeof preset !== "string" || a === undefined || b === undefined) return null;
  return { kind: "shadow", preset, live: a, shadow: b };
}

function pick<T extends object, Key extends keyof T>(from: T, keys: readonly Key[]): Pick<T, Key> {
  return Object.fromEntries(keys.map((key) => [key, from[key]])) as Pick<T, Key>;
}

function shortened(values: Readonly<Record<string, number | null>>): object {
  const entries = Object.entries(values).map(([key, value]) => {
    return [key, value === null ? null : Math.round(value * 100) / 100] as const;
  });
  return Object.fromEntries(entries);
}

type Found<Key extends string> = Partial<Record<Key, number>>;

function numbers<Key extends string>(fields: Fields, keys: readonly Key[]): Found<Key> {
  const found = keys.filter((key) => Number.isFinite(fields[key]));
  return Object.fromEntries(found.map((key) => [key, fields[key]])) as Found<Key>;
}

function numbersOrNull<Key extends string>(
  fields: Fields,
  keys: readonly Key[],
): Record<Key, number | null> {
  const found = keys.map((key) => [key, Number.isFinite(fields[key]) ? fields[key] : null]);
  return Object.fromEntries(found) as Record<Key, number | null>;
}

function isWhole<Key extends string, T extends Found<Key>>(
  found: T,
  keys: readonly Key[],
): found is T & Record<Key, number> {
  return keys.every((key) => found[key] !== undefined);
}

function objectOf(value: unknown): Fields | null {
  return typeof value === "object" && value !== null ? (value as Fields) : null;
}
