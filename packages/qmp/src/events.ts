// Events known by type. Others pass through untouched: QEMU may say more than we know.
import * as z from "zod";
import { type QmpTimestamp, type RawEvent } from "./message.ts";

const Bytes = z.int().nonnegative();
const NoData = z.object({});
/** Null for a device that was given no id. */
const DeviceId = z.string().nullable().default(null);

/** `guest`: the guest asked for it. `reason` is QEMU's word, "guest-reset" and the like. */
const Cause = z.object({ guest: z.boolean(), reason: z.string().nullable().default(null) });
const Unplugged = z.object({ device: DeviceId, path: z.string() });

/** Every event known by type, and its data. */
export const QMP_EVENTS = {
  STOP: NoData,
  RESUME: NoData,
  /** A virtio-mem device falls back to size 0, its requested-size stays. */
  RESET: Cause,
  SHUTDOWN: Cause,
  /** The power button was pressed. */
  POWERDOWN: NoData,
  GUEST_PANICKED: z.object({ action: z.string() }),
  DEVICE_DELETED: Unplugged,
  DEVICE_UNPLUG_GUEST_ERROR: Unplugged,
  MEM_UNPLUG_ERROR: z.object({ device: z.string(), msg: z.string() }),
  /** The guest's firmware reports on a plug or unplug. Status 0 is done, 132 in progress. */
  ACPI_DEVICE_OST: z.object({
    info: z.object({
      device: DeviceId,
      slot: z.string(),
      "slot-type": z.string(),
      source: z.int(),
      status: z.int(),
    }),
  }),
  /** The guest uses `size` bytes of virtio-mem. At most one a second: read `size` for now. */
  MEMORY_DEVICE_SIZE_CHANGE: z.object({ id: DeviceId, size: Bytes, "qom-path": z.string() }),
  BALLOON_CHANGE: z.object({ actual: Bytes }),
  /** Only with the migration capability `events`. */
  MIGRATION: z.object({ status: z.string() }),
} as const satisfies Record<string, z.ZodType>;

export type QmpEventName = keyof typeof QMP_EVENTS;

/** An event whose name and data are known. */
export type KnownQmpEvent<Name extends QmpEventName> = Readonly<{
  known: true;
  name: Name;
  data: z.output<(typeof QMP_EVENTS)[Name]>;
  timestamp: QmpTimestamp;
}>;

/** An event as it came. `problem` says what is wrong with its data if only the name is known. */
export type UnknownQmpEvent = Readonly<{
  known: false;
  name: string;
  data: Readonly<Record<string, unknown>>;
  timestamp: QmpTimestamp;
  problem: string | null;
}>;

/** Ask for `known`, then `name`: TypeScript then knows `data`. */
export type QmpEvent =
  { [Name in QmpEventName]: KnownQmpEvent<Name> }[QmpEventName] | UnknownQmpEvent;

/** Never throws and never drops: what cannot be typed is passed through as unknown. */
export function readEvent(raw: RawEvent): QmpEvent {
  const { name, data, timestamp } = raw;
  if (!isEventName(name)) return { known: false, name, data, timestamp, problem: null };
  const parsed = QMP_EVENTS[name].safeParse(data);
  if (!parsed.success) {
    const problem = z.prettifyError(parsed.error);
    return { known: false, name, data, timestamp, problem };
  }
  // The table ties each name to its own schema; TypeScript cannot follow that through a union.
  return { known: true, name, data: parsed.data, timestamp } as QmpEvent;
}

function isEventName(name: string): name is QmpEventName {
  return Object.hasOwn(QMP_EVENTS, name);
}
