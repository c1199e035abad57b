import { MONITOR_DEFAULTS, type PolicyConfig, PRESETS, type PresetName } from "@selfscale/core";
import { HIGHEST_VERSION, SPOKEN_VERSIONS } from "@selfscale/protocol";
import * as z from "zod";
import { DEFAULT_STATUS_SOCKET } from "../cli.ts";
import {
  createAnticipationSchema,
  createFileCacheSchema,
} from "../postgres/sense/settings-schema.ts";
import { createPostgresSchema } from "../postgres/settings.ts";
import { BYTES_EXPECTED, bytesSchema, listenSchema, parseBytes } from "./quantities.ts";

const DAY_MS = 86_400_000;
const PRESET_NAMES = Object.keys(PRESETS) as readonly PresetName[];
/** Four a second fill the 16 MiB of a recording in under three hours. */
const RECORD_SAMPLES_MIN_MS = 250;

/** A window holds two readings at least, and every reading in it is kept in memory. */
const LEAST_WINDOW_MS = 200;
const MOST_WINDOW_MS = 60_000;

/** A whole number of milliseconds. */
const millis = (min = 0, max = DAY_MS) => {
  const error = `expected a whole number of milliseconds from ${min} to ${max}`;
  return z.int({ error }).min(min, { error }).max(max, { error });
};
const word = <const T extends readonly string[]>(words: T) =>
  z.enum(words, { error: `expected one of ${words.join(", ")}` });
const filePath = () => z.string({ error: "expected a path" }).min(1, { error: "expected a path" });
const groupName = () => {
  const error = "expected the name of a group";
  return z.string({ error }).min(1, { error });
};

const CGROUP_EXPECTED = "expected the path of a cgroup's folder, from the root";

const cgroupPath = () =>
  z.string({ error: CGROUP_EXPECTED }).regex(/^\/./, { error: CGROUP_EXPECTED });

const calm = () => {
  const error = "expected a number from 0 (follows the need) to 1 (resizes least)";
  return z.number({ error }).min(0, { error }).max(1, { error }).nullable().default(null);
};

/** rMax, see machine/page-in.ts. */
const pageIn = () =>
  z.unknown().transform((value, context) => {
    if (value === "auto") return "auto" as const;
    const bytes = parseBytes(value);
    if (bytes !== null && bytes > 0) return bytes;
    const message = `expected auto, or more than 0: ${BYTES_EXPECTED}`;
    context.addIssue({ code: "custom", message });
    return z.NEVER;
  });

/**
 * The file's settings. Unknown keys are errors. What the command line has too, it overrides.
 *
 * The policy's numbers are `cpu`, `memory` and the holds at the top, under the names, units and
 * defaults that packages/core/src/policy/config.ts documents; each may be given alone.
 *
 * A function, so that hundreds of kilobytes of schemas are garbage once the file has been read.
 */
export function createConfigSchema() {
  return z.strictObject(
    {
      /** Where agents connect. */
      listen: listenSchema().default({ address: "0.0.0.0", port: 10_301 }),
      /** Where version-1 agents and Prometheus scrape `/metrics`. */
      metricsListen: listenSchema().default({ address: "0.0.0.0", port: 9_100 }),
      /** Unix socket of the commands `status`, `explain` and `reserve`, and of others' software: docs/reservations.md. */
      status: filePath().default(DEFAULT_STATUS_SOCKET),
      /** Group whose members may use that socket too, by name or number. null: only who the monitor runs as. */
      statusGroup: groupName().nullable().default(null),
      /**
       * How patiently sizes fall: `frugal` follows the need more closely, `calm` resizes less often. `demo` has short holds:
       * it is for showing only.
       */
      preset: word(PRESET_NAMES).default("default"),
      /** The same as one number: 0 is `frugal`, 0.5 the default, 1 `calm`. Beside no other preset. null: what the preset says. */
      calm: calm(),
      /** Highest protocol version to speak. 1: only UpscaleRequest, as deployed monitors. */
      protocolMax: z
        .literal(SPOKEN_VERSIONS, { error: `expected ${SPOKEN_VERSIONS.join(" or ")}` })
        .default(HIGHEST_VERSION),
      /** On a version-1 link try one ScaleRequest first, and fall back when it is not understood. */
      probeScaleRequest: z.boolean({ error: "expected true or false" }).default(false),
      /** File with the token that agents must show. */
      token: filePath().nullable().default(null),
      /**
       * Serve wss instead of ws. PEM files, read again when they changed: `cert` with its chain, its
       * private `key`, and with `clientCa` agents must show a certificate that it issued.
       */
      tls: tlsSchema().nullable().default(null),
      /** Refuse to start without a token or a client CA. */
      requireAuth: z.boolean({ error: "expected true or false" }).default(false),
      /**
       * A second policy, run beside the live one without any effect: a preset or calm, and numbers of its own on top. null: none.
       */
      shadow: shadowSchema().nullable().default(null),
      /** File that every frame is written to, for `selfscale-lab transcript`; null: none is. */
      record: filePath().nullable().default(null),
      /** There also what was measured, so often: for `selfscale-lab record`. null: it is not. */
      recordSamplesEveryMs: millis(RECORD_SAMPLES_MIN_MS).nullable().default(null),
      ...postgresGroups(),
      /**
       * Folder of a cgroup (version 2) whose memory is looked at beside the machine's: PostgreSQL's own. It need not be
       * there yet. null: none.
       */
      cgroup: cgroupPath().nullable().default(null),
      /** What is logged: `debug`, `info`, `warn` or `error`. At `debug` everything that happens: a trace that can be replayed. */
      logLevel: word(["debug", "info", "warn", "error"]).default("info"),
      ...policyGroups(),
    },
    { error: objectExpected },
  );
}

function tlsSchema() {
  return z.strictObject(
    { cert: filePath(), key: filePath(), clientCa: filePath().nullable().default(null) },
    { error: objectExpected },
  );
}

function postgresGroups() {
  return {
    /** How PostgreSQL is reached; null: there is none. */
    postgres: createPostgresSchema(),
    /** What is expected of PostgreSQL before it happens, each part with its switch. */
    anticipation: createAnticipationSchema(),
    /** PostgreSQL's file cache, where it has one. */
    fileCache: createFileCacheSchema(),
  };
}

function policyGroups() {
  return {
    cpu: policy(PRESETS.default.cpu, {
      /** How often CPU is read. A multiple of memory's: one wake-up then serves both, and waking up is most of the cost. */
      sampleEveryMs: millis(50).default(200),
    }),
    memory: policy(PRESETS.default.memory, {
      /** How often memory is read. Rarer costs less CPU, and a fast growth is seen later. */
      sampleEveryMs: millis(20).default(100),
      /** The fastest that memory is taken on this kind of machine, per second. */
      pageInMaxBytesPerSec: pageIn().default("auto"),
      /** How long it takes until memory that was asked for can be used, until that was measured. */
      reactStartMs: millis().default(MONITOR_DEFAULTS.tReactStartMs),
    }),
    ...numbers(topLevel(PRESETS.default)),
  };
}

function shadowSchema() {
  return z.strictObject(
    {
      preset: word(PRESET_NAMES).default("default"),
      calm: calm(),
      cpu: policy(PRESETS.default.cpu, {}),
      memory: policy(PRESETS.default.memory, {}),
      ...numbers(topLevel(PRESETS.default)),
    },
    { error: objectExpected },
  );
}

/** A group of the policy's numbers, each optional, and keys of our own. */
function policy<Numbers extends object, Own extends z.ZodRawShape>(defaults: Numbers, own: Own) {
  return z
    .strictObject({ ...numbers(defaults), ...own }, { error: objectExpected })
    .prefault({} as never);
}

function objectExpected(issue: z.core.$ZodRawIssue): string | undefined {
  return issue.code === "invalid_type" ? "expected keys and values" : undefined;
}

type Optional<T> = { [Key in keyof T]: z.ZodOptional<z.ZodType<number>> };

/** The unit is in the name, so the name says what may stand there. */
function numbers<Numbers extends object>(defaults: Numbers): Optional<Numbers> {
  const entries = Object.keys(defaults).map((key) => [key, numberFor(key).optional()]);
  return Object.fromEntries(entries) as Optional<Numbers>;
}

function numberFor(key: string): z.ZodType<number> {
  if (key.endsWith("WindowMs")) return millis(LEAST_WINDOW_MS, MOST_WINDOW_MS);
  if (key.endsWith("Ms")) return millis();
  if (/Bytes(PerSec)?$/.test(key)) return bytesSchema();
  if (key.endsWith("Share")) {
    const error = "expected a share, above 0 and at most 1";
    return z.number({ error }).gt(0, { error }).max(1, { error });
  }
  if (key.endsWith("Sec")) {
    const error = "expected seconds, 0 or more";
    return z.number({ error }).min(0, { error });
  }
  const error = "expected a number of at least 1";
  return z.number({ error }).min(1, { error });
}

function topLevel({ startHoldMs, shortGrantHoldMs, staleMs }: PolicyConfig) {
  return { startHoldMs, shortGrantHoldMs, staleMs };
}
