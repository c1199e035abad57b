import * as z from "zod";

const UNITS: Readonly<Record<string, number>> = {
  Ki: 1024,
  Mi: 1024 ** 2,
  Gi: 1024 ** 3,
  Ti: 1024 ** 4,
};

/** What a size may look like, for messages. */
export const BYTES_EXPECTED =
  "an integer of bytes, or a number with Ki, Mi, Gi or Ti (512Mi, 1.5Gi)";

/** Bytes of `512Mi`, `1.5Gi` or an integer; null when it is no size or not a whole number of bytes. */
export function parseBytes(value: unknown): number | null {
  if (typeof value === "number") return Number.isSafeInteger(value) && value >= 0 ? value : null;
  if (typeof value !== "string") return null;
  const match = /^(\d{1,15}(?:\.\d{1,6})?)(Ki|Mi|Gi|Ti)?$/.exec(value);
  if (match === null) return null;
  const bytes = Number(match[1]) * (match[2] === undefined ? 1 : (UNITS[match[2]] ?? NaN));
  return Number.isSafeInteger(bytes) ? bytes : null;
}

const DURATION_UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
};

/** What a time may look like, for messages. */
export const DURATION_EXPECTED = "a number with ms, s, m, min or h (500ms, 30s, 10 min)";

/** Milliseconds of `30s` or `10 min`; null when it is no time. */
export function parseDuration(value: unknown): number | null {
  if (typeof value !== "string") return null;
  const match = /^(\d{1,9}(?:\.\d{1,3})?) ?(ms|s|min|m|h)$/.exec(value);
  if (match === null) return null;
  return Math.round(Number(match[1]) * (DURATION_UNITS[match[2] ?? ""] ?? NaN));
}

/** A size in the file, bytes in the code. */
export const bytesSchema = () =>
  z.unknown().transform((value, context) => {
    const bytes = parseBytes(value);
    if (bytes !== null) return bytes;
    context.addIssue({ code: "custom", message: `expected ${BYTES_EXPECTED}` });
    return z.NEVER;
  });

/** `0.0.0.0:10301`, `[::]:10301`. */
export type ListenAddress = Readonly<{ address: string; port: number }>;

/** What an address to listen on may look like, for messages. */
export const LISTEN_EXPECTED = "ADDRESS:PORT, such as 0.0.0.0:10301 or [::1]:10301";

/** null when `text` is not an address with a port. Port 0 takes any free one. */
export function parseListen(text: string): ListenAddress | null {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(text);
  const address = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (address === undefined || !(port <= 65_535)) return null;
  return { address, port };
}

/** An address in the file or on the command line, its parts in the code. */
export const listenSchema = () =>
  z.string({ error: `expected ${LISTEN_EXPECTED}` }).transform((text, context) => {
    const address = parseListen(text);
    if (address !== null) return address;
    context.addIssue({ code: "custom", message: `expected ${LISTEN_EXPECTED}` });
    return z.NEVER;
  });
