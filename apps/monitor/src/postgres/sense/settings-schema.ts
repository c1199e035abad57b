// The `anticipation:` and `fileCache:` groups of the monitor's configuration. What each means and costs is documented where the
// defaults are: packages/core/src/policy/postgres/config.ts.
import {
  ANTICIPATION_DEFAULTS as AHEAD,
  type AnticipationPolicy,
  FILE_CACHE_DEFAULTS as CACHE,
  type FileCachePolicy,
} from "@selfscale/core";
import * as z from "zod";
import { bytesSchema } from "../../config/quantities.ts";

const HOUR_MS = 3_600_000;
/** Of a door's 64 reservations some are the event trigger's. */
const MOST_AT_ONCE = 48;
/** The agent waits five seconds for an answer, and the answer takes a moment. */
const MOST_CACHE_WAIT_MS = 4_000;

const onOff = (value: boolean) => z.boolean({ error: "expected true or false" }).default(value);
const whole = (value: number, [min, max]: readonly [number, number], unit = "") => {
  const error = `expected a whole number${unit} from ${min} to ${max}`;
  return z.int({ error }).min(min, { error }).max(max, { error }).default(value);
};
const millis = (value: number, range: readonly [number, number] = [0, HOUR_MS]) =>
  whole(value, range, " of milliseconds");
const group = <Shape extends z.ZodRawShape>(shape: Shape) =>
  z
    .strictObject(shape, {
      error: ({ code }) => (code === "invalid_type" ? "expected keys and values" : undefined),
    })
    .prefault({} as never);

/** A function, as createConfigSchema: what was read once is garbage. */
export function createAnticipationSchema() {
  const share = "expected a share, above 0 and at most 1";
  const nodes = "expected a number from 0.25 to 16";
  return group({
    indexBuilds: onOff(AHEAD.indexBuilds),
    vacuums: onOff(AHEAD.vacuums),
    sessions: onOff(AHEAD.sessions),
    connections: onOff(AHEAD.connections),
    maxShare: z
      .number({ error: share })
      .gt(0, { error: share })
      .max(1, { error: share })
      .default(AHEAD.maxShare),
    leastBytes: bytesSchema().default(AHEAD.leastBytes),
    maxCount: whole(AHEAD.maxCount, [1, MOST_AT_ONCE]),
    waitMs: millis(AHEAD.waitMs),
    buildHoldMs: millis(AHEAD.buildHoldMs),
    sessionMinRunMs: millis(AHEAD.sessionMinRunMs),
    sessionHoldMs: millis(AHEAD.sessionHoldMs),
    planNodes: z
      .number({ error: nodes })
      .min(0.25, { error: nodes })
      .max(16, { error: nodes })
      .default(AHEAD.planNodes),
    processBytes: bytesSchema().default(AHEAD.processBytes),
    connectionsWindowMs: millis(AHEAD.connectionsWindowMs, [1_000, 60_000]),
    connectionsLeast: whole(AHEAD.connectionsLeast, [1, 10_000]),
  } satisfies Record<keyof AnticipationPolicy, z.ZodType>);
}

export function createFileCacheSchema() {
  return group({
    isManaged: onOff(CACHE.isManaged),
    deadlineMs: millis(CACHE.deadlineMs, [100, MOST_CACHE_WAIT_MS]),
    maxRefusals: whole(CACHE.maxRefusals, [0, 100]),
    pauseMs: millis(CACHE.pauseMs, [1_000, HOUR_MS]),
    pauseMaxMs: millis(CACHE.pauseMaxMs, [1_000, HOUR_MS]),
    leastChangeBytes: bytesSchema().default(CACHE.leastChangeBytes),
  } satisfies Record<keyof FileCachePolicy, z.ZodType>);
}
