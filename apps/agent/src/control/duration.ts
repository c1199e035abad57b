import * as z from "zod";

const UNITS_MS: Readonly<Record<string, number>> = { s: 1e3, m: 60e3, h: 3_600e3, d: 86_400e3 };
/** An order or a look back of more than a month is a slip of the pen. */
const LONGEST_MS = 31 * 86_400e3;

export const DURATION_EXPECTED = "seconds, minutes, hours or days up to 31 (90s, 10m, 2h, 1d)";

/** Milliseconds of `90s`, `10m`, `2h` or `1d`; null when it is none, is nothing or is too long. */
export function parseDuration(text: string): number | null {
  const match = /^(\d{1,7})([smhd])$/.exec(text);
  const ms = Number(match?.[1]) * (UNITS_MS[match?.[2] ?? ""] ?? NaN);
  return ms > 0 && ms <= LONGEST_MS ? ms : null;
}

/** A duration in a request, milliseconds in the code. */
export const Duration = z.string({ error: DURATION_EXPECTED }).transform((text, context) => {
  const ms = parseDuration(text);
  if (ms !== null) return ms;
  context.addIssue({ code: "custom", message: DURATION_EXPECTED });
  return z.NEVER;
});
