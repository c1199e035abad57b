import v8 from "node:v8";

/**
 * Has V8 collect garbage before it asks for more pages. Every sample lives for ten seconds, long
 * enough to be taken for permanent; without this the heap grows by several MB before V8 looks at it
 * (measured over 8 minutes, Node 20: 20.8 against 14.8 MB anonymous, the same CPU).
 */
export function keepHeapSmall(): void {
  v8.setFlagsFromString("--optimize-for-size");
}
