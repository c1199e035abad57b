// How often a monitor may say what. Above that a message is not acted on, and counted; the link stays. Every limit is above
// what an honest monitor can reach: replies come as fast as we ask, wishes at their legal rate, complaints one per message
// of ours. Of ScaleRequests nothing is lost: the newest waits for its turn (link.ts).
import { type FromMonitor } from "@selfscale/protocol";
import { draw, type Bucket, type Limit } from "./bucket.ts";
import { type MonoMs } from "./types.ts";

export type MessageKind = FromMonitor["type"];

/** Malformed and unknown messages have a limit of their own, which ends the link (MAX_INVALID_PER_MINUTE). */
export const MESSAGE_LIMITS: Readonly<Record<MessageKind, Limit>> = {
  ScaleRequest: { burst: 100, everyMs: 100 },
  UpscaleRequest: { burst: 10, everyMs: 1_000 },
  HealthCheck: { burst: 30, everyMs: 1_000 },
  UpscaleConfirmation: { burst: 100, everyMs: 50 },
  DownscaleResult: { burst: 100, everyMs: 50 },
  InvalidMessage: { burst: 100, everyMs: 500 },
  InternalError: { burst: 100, everyMs: 500 },
};

export type MessageBuckets = Readonly<Partial<Record<MessageKind, Bucket>>>;

/** How often each limit was met; none: never. `resizes`: waits, not looks. `nonsense`: links that were ended for it. */
export type Limited = Readonly<Partial<Record<MessageKind | "resizes" | "nonsense", number>>>;

export function countLimited(limited: Limited, what: keyof Limited): Limited {
  return { ...limited, [what]: (limited[what] ?? 0) + 1 };
}

export function drawMessage(
  buckets: MessageBuckets,
  kind: MessageKind,
  now: MonoMs,
): Readonly<{ buckets: MessageBuckets; isGranted: boolean }> {
  const { bucket, isGranted } = draw(buckets[kind] ?? null, MESSAGE_LIMITS[kind], now);
  return { buckets: { ...buckets, [kind]: bucket }, isGranted };
}
