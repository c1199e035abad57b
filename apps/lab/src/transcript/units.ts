// Quantities as people say them.
import { type Allocation } from "@selfscale/protocol";

const MIB = 1024 ** 2;
const GIB = 1024 * MIB;

export function saySize({ cpu, mem }: Allocation): string {
  return `${sayCpu(cpu)}, ${sayBytes(mem)}`;
}

export function sayCpu(cpu: number): string {
  return `${trim(cpu, 3)} vCPU`;
}

/** GiB where it comes out in quarters, else MiB: a slice is easily told from another. */
export function sayBytes(bytes: number): string {
  if (bytes === 0 || Math.abs(bytes) < MIB / 10) return `${bytes} bytes`;
  if (bytes >= GIB && (bytes / GIB) % 0.25 === 0) return `${bytes / GIB} GiB`;
  return `${trim(bytes / MIB, 1)} MiB`;
}

export function sayMs(ms: number): string {
  if (ms < 1) return "under 1 ms";
  return ms < 1000 ? `${Math.round(ms)} ms` : `${trim(ms / 1000, 1)} s`;
}

export function sayShare(share: number): string {
  return `${trim(share * 100, 1)} %`;
}

/** A peer's words: one line, printable, of bounded length. */
export function quote(text: string, maxChars = 160): string {
  const shown = text.length > maxChars ? `${text.slice(0, maxChars)}…` : text;
  return JSON.stringify(shown).replace(/[\u007f-\u009f\u2028\u2029]/g, "?");
}

function trim(value: number, digits: number): string {
  return String(Number(value.toFixed(digits)));
}
