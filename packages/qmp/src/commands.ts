// What each command takes and gives, checked both ways. Only what is read is described: a newer
// QEMU may add fields to any reply. Sizes are bytes; QEMU's 64-bit integers above 2^53 are not
// represented.
import * as z from "zod";

const Bytes = z.int().nonnegative();
const Nothing = z.object({});
const NoArguments = z.strictObject({});

/** One device property by its path in QEMU's object tree, such as `/machine/peripheral/vm0`. */
const Property = { path: z.string().min(1), property: z.string().min(1) };

const StatusInfo = z.object({
  /** "running", "paused", "prelaunch" (-S), "inmigrate", "postmigrate", "shutdown", … */
  status: z.string(),
  running: z.boolean(),
});

const CpuInfo = z.object({
  "cpu-index": z.int().nonnegative(),
  "qom-path": z.string(),
  /** The host thread that runs this vCPU. */
  "thread-id": z.int(),
  /** Where it sits. Give all of it back to device_add, fields unknown here too. */
  props: z.looseObject({}).nullable().default(null),
});

const HotpluggableCpu = z.object({
  /** The driver for device_add. */
  type: z.string(),
  "vcpus-count": z.int().positive(),
  /** Where it would sit. Give all of it to device_add, fields unknown here too. */
  props: z.looseObject({
    "node-id": z.int().optional(),
    "socket-id": z.int().optional(),
    "die-id": z.int().optional(),
    "core-id": z.int().optional(),
    "thread-id": z.int().optional(),
  }),
  /** Null while the slot is empty. */
  "qom-path": z.string().nullable().default(null),
});

const VirtioMem = z.object({
  type: z.literal("virtio-mem"),
  data: z.object({
    /** Null for a device that was given no id. */
    id: z.string().nullable().default(null),
    memdev: z.string(),
    node: z.int().nonnegative(),
    "block-size": Bytes.min(1),
    "max-size": Bytes,
    /** What the guest was asked to use. */
    "requested-size": Bytes,
    /** What the guest does use. */
    size: Bytes,
  }),
});

const OtherMemoryDevice = z.object({
  type: z.string().refine((type) => type !== "virtio-mem"),
  data: z.unknown(),
});

const MigrationInfo = z.looseObject({
  /** Null before the first migration; else "setup", "active", "completed", "failed", … */
  status: z.string().nullable().default(null),
  "error-desc": z.string().nullable().default(null),
});

/** Every command known by type. `executeUntyped` runs any other. */
export const QMP_COMMANDS = {
  "query-status": { takes: NoArguments, gives: StatusInfo },
  "query-uuid": { takes: NoArguments, gives: z.object({ UUID: z.guid() }) },
  "query-version": {
    takes: NoArguments,
    gives: z.object({
      qemu: z.object({ major: z.int(), minor: z.int(), micro: z.int() }),
      package: z.string(),
    }),
  },
  "query-kvm": {
    takes: NoArguments,
    gives: z.object({ enabled: z.boolean(), present: z.boolean() }),
  },

  "query-cpus-fast": { takes: NoArguments, gives: z.array(CpuInfo) },
  /** Listed in descending order; add the lowest free one first, the guest is slow otherwise. */
  "query-hotpluggable-cpus": { takes: NoArguments, gives: z.array(HotpluggableCpu) },
  /** Returns once QEMU has the device, before the guest has seen it. */
  device_add: {
    takes: z.looseObject({ driver: z.string().min(1), id: z.string().optional() }),
    gives: Nothing,
  },
  /** Returns once the guest is asked; it may refuse. DEVICE_DELETED tells that it is gone. */
  device_del: { takes: z.strictObject({ id: z.string().min(1) }), gives: Nothing },

  "query-memory-size-summary": {
    takes: NoArguments,
    gives: z.object({ "base-memory": Bytes, "plugged-memory": Bytes.default(0) }),
  },
  "query-memory-devices": {
    takes: NoArguments,
    gives: z.array(z.union([VirtioMem, OtherMemoryDevice])),
  },
  "qom-get": { takes: z.strictObject(Property), gives: z.unknown() },
  /**
   * Returns once QEMU has noted the value. For virtio-mem's `requested-size` the guest follows
   * block by block, and may stop short: the truth is `size`, and MEMORY_DEVICE_SIZE_CHANGE.
   */
  "qom-set": { takes: z.strictObject({ ...Property, value: z.json() }), gives: Nothing },

  stop: { takes: NoArguments, gives: Nothing },
  cont: { takes: NoArguments, gives: Nothing },
  system_reset: { takes: NoArguments, gives: Nothing },
  /** Presses the power button. What the guest makes of it is the guest's affair. */
  system_powerdown: { takes: NoArguments, gives: Nothing },
  /** Answers, then QEMU exits and the connection is lost. */
  quit: { takes: NoArguments, gives: Nothing },

  /** Returns at once. MIGRATION events (with the capability `events`) or query-migrate tell. */
  migrate: { takes: z.strictObject({ uri: z.string().min(1) }), gives: Nothing },
  "migrate-incoming": { takes: z.strictObject({ uri: z.string().min(1) }), gives: Nothing },
  "migrate-set-capabilities": {
    takes: z.strictObject({
      capabilities: z.array(z.strictObject({ capability: z.string(), state: z.boolean() })),
    }),
    gives: Nothing,
  },
  "query-migrate": { takes: NoArguments, gives: MigrationInfo },
} as const satisfies Record<string, { takes: z.ZodType; gives: z.ZodType }>;

export type QmpCommandName = keyof typeof QMP_COMMANDS;
export type QmpArguments<Name extends QmpCommandName> = z.input<
  (typeof QMP_COMMANDS)[Name]["takes"]
>;
export type QmpResult<Name extends QmpCommandName> = z.output<(typeof QMP_COMMANDS)[Name]["gives"]>;

export type QmpMemoryDevice = QmpResult<"query-memory-devices">[number];
export type QmpVirtioMem = z.output<typeof VirtioMem>;
export type QmpHotpluggableCpu = z.output<typeof HotpluggableCpu>;
export type QmpCpu = z.output<typeof CpuInfo>;

/** Tells virtio-mem from the other memory devices, which are passed through unread. */
export function isVirtioMem(device: QmpMemoryDevice): device is QmpVirtioMem {
  return device.type === "virtio-mem";
}
