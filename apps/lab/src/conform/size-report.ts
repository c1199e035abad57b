// Sizes as the agent writes them. Read here, judged by the checks.

/** As on the wire: vCPUs and bytes. */
export type Amount = Readonly<{ cpu: number; mem: number }>;
/** Memory first: where it moves, it tells more. */
export const RESOURCES = ["mem", "cpu"] as const;
export type ResourceName = (typeof RESOURCES)[number];

export type SizeReport = Readonly<{
  atMs: number;
  text: string;
  actual: Amount;
  requested: Amount;
  permit: Amount;
  bounds: Readonly<{ min: Amount; max: Amount }>;
  step: Amount;
}>;

type Envelope = Readonly<{
  atMs: number;
  text: string;
  type: string;
  content: Readonly<Record<string, unknown>>;
}>;

/** null: it is no SizeReport, or lacks one of its sizes. */
export function readReport({ type, content, atMs, text }: Envelope): SizeReport | null {
  if (type !== "SizeReport") return null;
  const { bounds } = content as { bounds?: Record<string, unknown> };
  const [actual, requested, permit] = [content.actual, content.requested, content.permit].map(
    readAmount,
  );
  const [min, max, step] = [bounds?.min, bounds?.max, content.step].map(readAmount);
  if (!actual || !requested || !permit || !min || !max || !step) return null;
  return { atMs, text, actual, requested, permit, bounds: { min, max }, step };
}

export function readAmount(value: unknown): Amount | null {
  const { cpu, mem } = (value ?? {}) as Record<string, unknown>;
  return typeof cpu === "number" && typeof mem === "number" ? { cpu, mem } : null;
}

/** What nobody may take without a consent: what is there, as far as it is not being given back already. */
export function keptOf({ actual, requested }: SizeReport): Amount {
  return {
    cpu: Math.min(actual.cpu, requested.cpu),
    mem: Math.min(actual.mem, requested.mem),
  };
}

export function sayAmount({ cpu, mem }: Amount): string {
  return `{cpu: ${cpu}, mem: ${mem}}`;
}
