// The recorded rows of the deployed monitor's sizing. vectors/monitor-v1.json says where they come from, and is never edited.
import { readFileSync } from "node:fs";

export type SizingRow = Readonly<{
  memBytes: number;
  usableBytes: number;
  lfcBytes: number;
  startup: Readonly<{ memTotalBytes: number; lfcBytes: number }>;
}>;

/** What the deployed monitor answered to one DownscaleRequest. */
export type ShrinkRow = Readonly<{
  targetMemBytes: number;
  avgNonReclaimableBytes: number;
  samplesCount: number;
  lastSampleAgeMs: number;
  expect: Readonly<{ ok: boolean }> | Readonly<{ error: string }>;
}>;

const file = new URL("../vectors/monitor-v1.json", import.meta.url);
const vectors = JSON.parse(readFileSync(file, "utf8")) as Readonly<{
  sizing: readonly SizingRow[];
  downscaleDecisions: readonly ShrinkRow[];
}>;

export const SIZING_ROWS = vectors.sizing;
export const SHRINK_ROWS = vectors.downscaleDecisions;
