// What the fields of version 2 look like.
import { type WireSize } from "../agent-player.ts";

const REASONS = [
  "cpu",
  "memory",
  "memory-emergency",
  "cache",
  "reservation",
  "idle",
  "hold",
  "start",
];

/** A reason that a monitor may write. */
export function isReason(value: unknown): boolean {
  return typeof value === "string" && REASONS.includes(value);
}

/** Any amounts that are not negative: a floor may be nothing. */
export function isWireSize(value: unknown): value is WireSize {
  if (typeof value !== "object" || value === null) return false;
  const { cpu, mem } = value as Partial<WireSize>;
  return typeof cpu === "number" && cpu >= 0 && Number.isSafeInteger(mem) && Number(mem) >= 0;
}

/** The first `mem` as it stands in the frame's text; JSON.parse no longer knows. "" when there is none. */
export function memLiteral(text: string): string {
  return /"mem"\s*:\s*([^,}\s]*)/.exec(text)?.[1] ?? "";
}
