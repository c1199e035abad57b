// The configuration file, key by key. The comments are the manual.
// Unknown keys are errors; names are never renamed.
import { AGENT_TIMERS, BRAKE_LIMITS, type LegacyConfig } from "@selfscale/core";
import { HIGHEST_VERSION, SPOKEN_VERSIONS } from "@selfscale/protocol";
import { isQmpAddress } from "@selfscale/qmp";
import * as z from "zod";
import { SHELL_TIMERS } from "../shell/timers.ts";
import { Bytes, BytesOrNone, MilliCpu, MilliCpuOrNone } from "./quantities.ts";

export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export const DEFAULT_STATUS_SOCKET = "/run/selfscale/agent.sock";
/** Loopback. The ports that Prometheus lists for exporters, 9100 to 9999, are all given away. */
export const DEFAULT_HTTP = { host: "127.0.0.1", port: 10330 };

const MIB = 1024 ** 2;
/** The kernel's limit on a unix socket's path, in bytes (sun_path, without its final zero). */
const MAX_SOCKET_PATH_BYTES = 107;

/** A mapping with these keys and no others. Its messages say which. */
function mapping<Shape extends z.ZodRawShape>(shape: Shape) {
  const keys = Object.keys(shape).join(", ");
  return z.strictObject(shape, {
    error: ({ code }) => (code === "unrecognized_keys" ? `one of ${keys}` : `a mapping of ${keys}`),
  });
}

/** Text that passes a test. */
function text(expected: string, isGood: (value: string) => boolean) {
  return z
    .string({ error: expected })
    .refine((value) => value !== "" && isGood(value), { error: expected });
}

function factor(expected: string, isGood: (value: number) => boolean) {
  return z.number({ error: expected }).refine(isGood, { error: expected });
}

const anyText = () => true;
const isSocketPath = (value: string) => Buffer.byteLength(value) <= MAX_SOCKET_PATH_BYTES;
const share = factor("a number above 0 and up to 10", (value) => value > 0 && value <= 10);
const ratio = factor("a number from 0 to 10", (value) => value >= 0 && value <= 10);
const minutes = z.int({ error: "whole minutes from 1 to 60" }).check(z.gte(1), z.lte(60));
const seconds = factor(
  "a number of seconds above 0 and up to 3600",
  (value) => value > 0 && value <= 3600,
);
const yesOrNo = z.boolean({ error: "true or false" });
const count = z.int({ error: "a whole number above zero" }).check(z.positive());

const Amount = mapping({ cpu: MilliCpu, mem: Bytes });
/** One that may be left out, in whole or in part. */
const Spare = mapping({
  cpu: MilliCpuOrNone.default(0),
  mem: BytesOrNone.default(0),
}).default({ cpu: 0, mem: 0 });
/** Without a figure for memory: none where the size is given, a little where it is detected. */
const Reserve = mapping({ cpu: MilliCpuOrNone.default(0), mem: BytesOrNone.optional() }).prefault(
  {},
);
const times = factor("a number from 1 to 10", (value) => value >= 1 && value <= 10);

/** The range an operator allows a VM. Both ends belong to it. */
const Bounds = mapping({ min: Amount, max: Amount });

/** The deployed metrics-based algorithm's factors, under their published names. */
const LEGACY_SHAPE = {
  /** CPU and memory move together in this unit. */
  computeUnit: Amount.optional(),
  /** Load average per vCPU that is aimed at. */
  loadAverageFractionTarget: share.optional(),
  /** Share of memory that may be used (without page cache). */
  memoryUsageFractionTarget: share.optional(),
  /** Share of memory that may be used, needed page cache included. */
  memoryTotalFractionTarget: share.optional(),
  /** Whether the local file cache's working set counts. */
  enableLFCMetrics: yesOrNo.optional(),
  lfcUseLargestWindow: yesOrNo.optional(),
  /** Share of memory that the local file cache gets. */
  lfcToMemoryRatio: share.optional(),
  lfcWindowSizeMinutes: minutes.optional(),
  lfcMinWaitBeforeDownscaleMinutes: minutes.optional(),
  /** How far load1 may be from load5, as a share of load5, until load5 stops counting alone. */
  cpuStableZoneRatio: ratio.optional(),
  cpuMixedZoneRatio: ratio.optional(),
  /** An UpscaleRequest raises the goal for this long. */
  requestedUpscaleValidSeconds: seconds.optional(),
  /** A refused shrink keeps the goal above what was refused for this long. */
  retryDeniedDownscaleSeconds: seconds.optional(),
} satisfies Record<keyof LegacyConfig, unknown>;
const Legacy = mapping(LEGACY_SHAPE);

/** PEM files, read anew at each dial. The monitor's certificate is always checked. */
const Tls = mapping({
  /** Who may have issued it. Default: the CAs that this system trusts. */
  ca: text("a path", anyText).optional(),
  /** The agent's own certificate and its private key; one needs the other. */
  cert: text("a path", anyText).optional(),
  key: text("a path", anyText).optional(),
  /** DNS name that it must be for. Default: the one in the monitor's address. */
  serverName: text("a DNS name, such as vm-1.example", isDnsName).optional(),
});

const Vm = mapping({
  /** Its name in logs and tables. */
  name: text(
    "up to 63 letters, digits, dots, dashes or underscores, a letter or digit first",
    (name) => /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(name),
  ),
  /** QEMU's QMP socket. The agent keeps it connected, so give people another one to look in. */
  qmp: text("unix:/absolute/path (up to 107 bytes) or tcp:host:port", isQmp),
  /** Where the monitor in this VM listens. */
  monitor: text("a ws:// or wss:// address, such as ws://127.0.0.1:10301/monitor", (value) =>
    isUrl(value, ["ws:", "wss:"]),
  ),
  bounds: Bounds,
  /** Its part of what is shared, against other VMs of its priority. docs/sharing.md has the rules. */
  weight: factor("a number from 0.1 to 1000", (value) => value >= 0.1 && value <= 1000).default(1),
  /** Higher ones get what they want before lower ones get more than their minimum. */
  priority: z
    .int({ error: "a whole number from -100 to 100" })
    .check(
      z.gte(-100, "a whole number from -100 to 100"),
      z.lte(100, "a whole number from -100 to 100"),
    )
    .default(0),
  /** Host metrics of a compute with a version-1 monitor. Without it such a VM is held. */
  metrics: text("an http:// or https:// address", (value) =>
    isUrl(value, ["http:", "https:"]),
  ).optional(),
  /** Its local file cache's metrics, read if legacy.enableLFCMetrics. Default: they are in `metrics`. */
  lfcMetrics: text("an http:// or https:// address", (value) =>
    isUrl(value, ["http:", "https:"]),
  ).optional(),
  /** Existing cgroup folder that holds the QEMU process; cgroup v1 or v2 by what is in it. */
  cgroup: text("an absolute path", (value) => value.startsWith("/")).optional(),
  /** QOM id of the virtio-mem device; `none`: memory is fixed. Default: the only one there is. */
  memoryDevice: text("the id of a virtio-mem device, or none", (value) =>
    /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(value),
  ).optional(),
  /** File with the token for this VM's monitor. Read anew at each dial, sent to no other VM. */
  token: text("a path", anyText).optional(),
  /** Highest protocol version to offer. 1: the way back, as deployed agents; its metrics decide. */
  protocolMax: z
    .literal(SPOKEN_VERSIONS, { error: SPOKEN_VERSIONS.join(" or ") })
    .default(HIGHEST_VERSION),
  /** How the monitor at a wss:// address is known, and how this agent shows who it is. */
  tls: Tls.optional(),
  legacy: Legacy.optional(),
});

const percent = factor("a number above 0 and up to 100", (value) => value > 0 && value <= 100);
const BRAKES_SHAPE = {
  memoryPressurePercent: percent.default(BRAKE_LIMITS.memoryPressurePercent),
  swapPagesPerSec: count.default(BRAKE_LIMITS.swapPagesPerSec),
  availableMem: Bytes.prefault(BRAKE_LIMITS.availableMemBytes),
  /** Milliseconds. */
  releaseAfterMs: count.default(BRAKE_LIMITS.releaseAfterMs),
};
/** null: off. */
const Brakes = z.preprocess(
  (value) => (value === "off" ? null : value),
  z
    .strictObject(BRAKES_SHAPE, {
      error: ({ code }) => {
        const keys = Object.keys(BRAKES_SHAPE).join(", ");
        return code === "unrecognized_keys" ? `one of ${keys}` : `off, or a mapping of ${keys}`;
      },
    })
    .nullable(),
);

const TIMER_NAMES = Object.keys({ ...AGENT_TIMERS, ...SHELL_TIMERS });

export const ConfigFile = mapping({
  /** What this node may hand out to its VMs. Guest RAM and vCPUs. What is left out is detected. */
  node: mapping({
    cpu: MilliCpu.optional(),
    mem: Bytes.optional(),
    /** Slice that the QEMUs are in: its limits, and those above it, are detected. Default: the agent's own slice. */
    cgroup: text("an absolute path", (value) => value.startsWith("/")).optional(),
    /** When the node is in trouble and nothing may grow for comfort; `off`: never. */
    brakes: Brakes.prefault({}),
    /** QEMU's own memory per VM, counted beside the guest's. Measured 210–300 MB under TCG. */
    overheadPerVm: BytesOrNone.default(256 * MIB),
    /** Kept for the node itself, out of cpu and mem. */
    reserve: Reserve,
    /** How often each vCPU and byte may be handed out. More memory than there is needs swap and luck. */
    overcommit: mapping({ cpu: times.default(1), mem: times.default(1) })
      .default({
        cpu: 1,
        mem: 1,
      })
      .prefault({}),
    /** Kept free of comfort, for memory pressure and reservations. None by default: it costs what it keeps. */
    emergency: Spare,
  }).prefault({}),
  legacy: Legacy.optional(),
  vms: z.array(Vm, { error: "a list of VMs" }).check(z.minLength(1, "at least one VM")),
  /** Unix socket of `selfscale-agent status`. */
  socket: text(
    "an absolute path of up to 107 bytes",
    (value) => value.startsWith("/") && isSocketPath(value),
  ).default(DEFAULT_STATUS_SOCKET),
  /** Where /metrics, /healthz and /readyz are served, or `none`. Default: 127.0.0.1:10330, if it is free. */
  http: text(
    "none, or an address and a port, such as 127.0.0.1:10330 or [::1]:10330",
    (value) => value === "none" || parseHttpAddress(value) !== null,
  ).optional(),
  log: mapping({
    level: z.enum(LOG_LEVELS, { error: `one of ${LOG_LEVELS.join(", ")}` }).default("info"),
  }).default({ level: "info" }),
  /** The most memory that one consent may take, and the most that a killed agent can cost. */
  slice: Bytes.default(256 * MIB),
  /** Every wait, in milliseconds. The defaults are those of docs/protocol.md. */
  timers: mapping(
    Object.fromEntries(TIMER_NAMES.map((name) => [name, count.optional()])),
  ).optional(),
});
export type ConfigFile = z.output<typeof ConfigFile>;
export type LegacyOverrides = z.output<typeof Legacy>;

/** `host:port`, IPv6 in brackets; port 0: any that is free. null: it is none. */
export function parseHttpAddress(value: string): Readonly<{ host: string; port: number }> | null {
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9.-]+)):(\d{1,5})$/i.exec(value);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  return host === undefined || port > 65_535 ? null : { host, port };
}

function isQmp(value: string): boolean {
  const socketPath = value.startsWith("unix:") ? value.slice("unix:".length) : null;
  if (socketPath !== null) return socketPath.startsWith("/") && isSocketPath(socketPath);
  return isQmpAddress(value);
}

/** An IP address is no name here: TLS does not send it, so the monitor could not tell. */
function isDnsName(value: string): boolean {
  return /^[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9])?$/i.test(value) && !/^[\d.]+$/.test(value);
}

/** Whether this monitor is reached under TLS. */
export function isSecure(monitor: string): boolean {
  return new URL(monitor).protocol === "wss:";
}

function isUrl(value: string, schemes: readonly string[]): boolean {
  if (!URL.canParse(value)) return false;
  const { protocol, hash } = new URL(value);
  return schemes.includes(protocol) && hash === "";
}
