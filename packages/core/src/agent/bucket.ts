// A token bucket as data: so many at once, then one every so often. Who has none waits or is not heard.
import { type MonoMs } from "./types.ts";

export type Limit = Readonly<{
  /** At once, after a time without any. */
  burst: number;
  /** One more comes back this often. */
  everyMs: number;
}>;

/** null: never drawn on, so full. */
export type Bucket = Readonly<{ tokens: number; at: MonoMs }> | null;

/** `isGranted`: there was a token, and it is gone now. */
export function draw(
  bucket: Bucket,
  limit: Limit,
  now: MonoMs,
): Readonly<{ bucket: Bucket; isGranted: boolean }> {
  const tokens = tokensOf(bucket, limit, now);
  if (tokens < 1) return { bucket: { tokens, at: now }, isGranted: false };
  return { bucket: { tokens: tokens - 1, at: now }, isGranted: true };
}

/** When there is a whole token again. */
export function nextTokenAt(bucket: Bucket, limit: Limit, now: MonoMs): MonoMs {
  const missing = Math.max(0, 1 - tokensOf(bucket, limit, now));
  return now + Math.ceil(missing * limit.everyMs);
}

function tokensOf(bucket: Bucket, { burst, everyMs }: Limit, now: MonoMs): number {
  if (bucket === null) return burst;
  return Math.min(burst, bucket.tokens + (now - bucket.at) / everyMs);
}
