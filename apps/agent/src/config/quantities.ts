import * as z from "zod";

const UNITS: Readonly<Record<string, number>> = {
  Ki: 1024,
  Mi: 1024 ** 2,
  Gi: 1024 ** 3,
  Ti: 1024 ** 4,
};

const BYTES_EXPECTED = "an integer of bytes, or a number with Ki, Mi, Gi or Ti (512Mi, 1.5Gi)";
const CPU_EXPECTED = "a number of vCPUs up to 1024, or thousandths of one with m (2, 0.5, 500m)";

/** More vCPUs than this is a slip of the pen; the wire refuses it too. */
const MAX_MILLI_CPU = 1024 * 1000;

/** Bytes of `512Mi`, `1.5Gi` or an integer; null when it is no size or not whole bytes. */
export function parseBytes(value: unknown): number | null {
  const match = /^(\d{1,16}(?:\.\d{1,6})?)(Ki|Mi|Gi|Ti)?$/.exec(textOf(value));
  if (match === null) return null;
  const bytes = Number(match[1]) * (match[2] === undefined ? 1 : (UNITS[match[2]] ?? NaN));
  return Number.isSafeInteger(bytes) ? bytes : null;
}

/** Milli-vCPU of `2`, `0.25` or `250m`; null when it is none or not whole thousandths. */
export function parseMilliCpu(value: unknown): number | null {
  const match = /^(\d{1,7}(?:\.\d{1,6})?)(m)?$/.exec(textOf(value));
  if (match === null) return null;
  const milli = Number(match[1]) * (match[2] === "m" ? 1 : 1000);
  // 0.001 × 1000 is not exactly 1 in binary; what is meant is.
  const whole = Math.round(milli);
  return Math.abs(milli - whole) < 1e-6 && whole <= MAX_MILLI_CPU ? whole : null;
}

/** A memory size above zero in the file, bytes in the code. */
export const Bytes = quantity(parseBytes, BYTES_EXPECTED, 1);
/** A memory size that may be zero. */
export const BytesOrNone = quantity(parseBytes, BYTES_EXPECTED, 0);
/** CPU above zero in the file, milli-vCPU in the code. */
export const MilliCpu = quantity(parseMilliCpu, CPU_EXPECTED, 1);
/** CPU that may be zero. */
export const MilliCpuOrNone = quantity(parseMilliCpu, CPU_EXPECTED, 0);

/** "1.5Gi", "512Mi": bytes as an operator would write them. */
export function sayBytes(bytes: number): string {
  for (const unit of ["Gi", "Mi", "Ki"]) {
    const amount = bytes / (UNITS[unit] ?? 1);
    if (amount >= 1 && Number.isInteger(amount * 10)) return `${amount}${unit}`;
  }
  return `${bytes}`;
}

/** A plain number prints itself in the shortest form, which the patterns above can read. */
function textOf(value: unknown): string {
  return typeof value === "number" || typeof value === "string" ? String(value) : "";
}

function quantity(parse: (value: unknown) => number | null, expected: string, least: 0 | 1) {
  return z.unknown().transform((value, context) => {
    const parsed = parse(value);
    if (parsed !== null && parsed >= least) return parsed;
    const message = parsed === 0 ? `${expected}, above zero` : expected;
    context.addIssue({ code: "custom", message });
    return z.NEVER;
  });
}
