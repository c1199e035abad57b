/** Waits until `read` gives something else than null; fails after `deadlineMs`. */
export async function until<T>(
  what: string,
  read: () => T | null | Promise<T | null>,
  deadlineMs = 10_000,
): Promise<T> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    const seen = await read();
    if (seen !== null) return seen;
    if (performance.now() > end) throw new Error(`gave up waiting until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
