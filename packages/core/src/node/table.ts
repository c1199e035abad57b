// A list that is changed one entry at a time by copies that share the rest: with a thousand VMs and some hundred claims
// a second, copying all of them for each claim would cost more than deciding.

const CHUNK = 32;

export type Table<T> = Readonly<{ chunks: readonly (readonly T[])[]; length: number }>;

export function tableOf<T>(entries: readonly T[]): Table<T> {
  const chunks: T[][] = [];
  for (let from = 0; from < entries.length; from += CHUNK) {
    chunks.push(entries.slice(from, from + CHUNK));
  }
  return { chunks, length: entries.length };
}

export function entryAt<T>(table: Table<T>, index: number): T | undefined {
  return table.chunks[Math.floor(index / CHUNK)]?.[index % CHUNK];
}

export function withEntry<T>(table: Table<T>, index: number, entry: T): Table<T> {
  const at = Math.floor(index / CHUNK);
  const chunk = table.chunks[at];
  if (chunk === undefined || index % CHUNK >= chunk.length) {
    throw new Error(`entry ${index} of ${table.length}`);
  }
  return { ...table, chunks: table.chunks.with(at, chunk.with(index % CHUNK, entry)) };
}

export function entriesOf<T>(table: Table<T>): T[] {
  return table.chunks.flat();
}
