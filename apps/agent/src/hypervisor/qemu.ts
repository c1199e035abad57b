// Sizes of one QEMU in terms of packages/qmp. The only file that knows virtio-mem and how vCPUs are
// plugged.
import { setTimeout as delay } from "node:timers/promises";
import { type HypervisorFacts, type MemoryDevice } from "@selfscale/core";
import { readUuid } from "@selfscale/protocol";
import {
  isVirtioMem,
  QmpClient,
  QmpUnexpectedReplyError,
  type QmpAddress,
  type QmpEnd,
  type QmpEvent,
  type QmpHotpluggableCpu,
  type QmpMemoryDevice,
  type QmpVirtioMem,
} from "@selfscale/qmp";
import * as z from "zod";
import { type DeviceChoice } from "./device-choice.ts";

/** How often to look whether a plugged vCPU shows. QEMU has it within a few milliseconds. */
const PLUG_POLL_MS = 20;

/** QEMU works; what it runs does not fit the configuration, or this agent. */
export class QemuSetupError extends Error {
  override readonly name = "QemuSetupError";
  readonly code = "QEMU_SETUP";
}

export type QemuOptions = Readonly<{
  address: QmpAddress;
  memoryDevice: DeviceChoice;
  greetingMs: number;
  commandMs: number;
}>;

/** What QEMU itself can say; the quota is the kernel's to tell. */
export type QemuFacts = Omit<HypervisorFacts, "quotaMilliCpu" | "cpuUsedMilli" | "throttledShare"> &
  Readonly<{
    /** Host thread of the first vCPU, in QEMU's own PID namespace. */
    threadId: number;
  }>;

/** Events after which sizes or the run state may be others. */
const NEWS: ReadonlySet<string> = new Set([
  "MEMORY_DEVICE_SIZE_CHANGE",
  "ACPI_DEVICE_OST",
  "DEVICE_DELETED",
  "RESET",
  "SHUTDOWN",
  "STOP",
  "RESUME",
  "SUSPEND",
  "WAKEUP",
  "GUEST_PANICKED",
]);

/** One QEMU process, from attach to the end of its connection. */
export class Qemu {
  readonly #client: QmpClient;
  readonly #options: QemuOptions;
  readonly #uuid: string | null;
  readonly #vcpusMax: number;
  /** Of the device last observed. */
  #deviceId: string | null = null;

  private constructor(
    client: QmpClient,
    options: QemuOptions,
    fixed: Readonly<{ uuid: string | null; vcpusMax: number }>,
  ) {
    this.#client = client;
    this.#options = options;
    this.#uuid = fixed.uuid;
    this.#vcpusMax = fixed.vcpusMax;
  }

  /**
   * Connects and reads what never changes. Rejects with an error of packages/qmp, or our own. The signal ends the session
   * whenever it aborts: a listener per command would cost more than the command.
   */
  static async attach(options: QemuOptions, signal: AbortSignal): Promise<Qemu> {
    const client = await QmpClient.connect(options.address, {
      greetingTimeoutMs: options.greetingMs,
      signal,
    });
    const onAbort = () => client.close();
    signal.addEventListener("abort", onAbort, { once: true });
    void client.closed.then(() => signal.removeEventListener("abort", onAbort));
    if (signal.aborted) onAbort();
    try {
      const limits = { timeoutMs: options.commandMs };
      const { UUID } = await client.execute("query-uuid", {}, limits);
      const slots = await client.execute("query-hotpluggable-cpus", {}, limits);
      const vcpusMax = slots.reduce((sum, slot) => sum + slot["vcpus-count"], 0);
      return new Qemu(client, options, { uuid: readUuid(UUID), vcpusMax });
    } catch (error) {
      client.close();
      throw error;
    }
  }

  /** Resolves when the connection is over, whoever ended it. */
  get closed(): Promise<QmpEnd> {
    return this.#client.closed;
  }

  close(): void {
    this.#client.close();
  }

  /** Calls back after every event that may mean other sizes or another run state. */
  onNews(listener: (event: QmpEvent) => void): void {
    this.#client.onAny((event) => {
      if (NEWS.has(event.name)) listener(event);
    });
  }

  /** Everything that may have changed, in one burst of queries. */
  async observe(): Promise<QemuFacts> {
    const limits = { timeoutMs: this.#options.commandMs };
    const [status, memory, devices, cpus] = await Promise.all([
      this.#client.execute("query-status", {}, limits),
      this.#client.execute("query-memory-size-summary", {}, limits),
      this.#client.execute("query-memory-devices", {}, limits),
      this.#client.execute("query-cpus-fast", {}, limits),
    ]);
    const chosen = chooseDevice(devices, this.#options.memoryDevice);
    this.#deviceId = chosen?.data.id ?? null;
    // Memory that others plugged is the guest's too; we just can't take it away again.
    const others = devices.filter((device) => device !== chosen).reduce(plusRam, 0);
    const threadId = cpus[0]?.["thread-id"] ?? 0;
    return {
      process: `${this.#uuid ?? "no-uuid"}:${threadId}`,
      uuid: this.#uuid,
      runState: status.status,
      baseMemBytes: memory["base-memory"] + others,
      memoryDevice: chosen === null ? null : readDevice(chosen),
      vcpusPlugged: cpus.length,
      vcpusMax: this.#vcpusMax,
      threadId,
    };
  }

  /**
   * Asks the guest to plug or unplug until this much of the device is in use. Returns once QEMU
   * has noted the wish; the guest moves block by block, and may stop short when shrinking.
   */
  async setRequested(requestedBytes: number): Promise<void> {
    if (this.#deviceId === null)
      throw new QemuSetupError("there is no virtio-mem device to resize");
    await this.#client.execute(
      "qom-set",
      {
        path: `/machine/peripheral/${this.#deviceId}`,
        property: "requested-size",
        value: requestedBytes,
      },
      { timeoutMs: this.#options.commandMs },
    );
  }

  /**
   * Plugs vCPUs until there are `vcpus`. Never unplugs any: re-adding one crashes QEMU 7.2.
   * The lowest free id goes first; with a gap below it the guest takes 13 s to bring one online.
   */
  async plugCpus(vcpus: number): Promise<void> {
    const limits = { timeoutMs: this.#options.commandMs };
    const listed = await this.#client.execute("query-hotpluggable-cpus", {}, limits);
    const slots = listed.toReversed().sort(byPlace); // QEMU lists the highest id first
    let plugged = slots
      .filter((slot) => slot["qom-path"] !== null)
      .reduce((sum, slot) => sum + slot["vcpus-count"], 0);
    for (const [index, slot] of slots.entries()) {
      if (plugged >= vcpus) break;
      if (slot["qom-path"] !== null) continue;
      // The list holds every slot there will ever be, so its place in it is a name for good.
      const id = `selfscale-cpu-${index}`;
      await this.#client.execute("device_add", { driver: slot.type, id, ...slot.props }, limits);
      plugged += slot["vcpus-count"];
    }
    const signal = AbortSignal.timeout(this.#options.commandMs);
    while ((await this.#client.execute("query-cpus-fast", {}, limits)).length < plugged) {
      await delay(PLUG_POLL_MS, undefined, { signal });
    }
  }
}

/** The device that the configuration means. Throws when QEMU has it not, or not only one. */
function chooseDevice(
  devices: readonly QmpMemoryDevice[],
  choice: DeviceChoice,
): QmpVirtioMem | null {
  const all = devices.filter(isVirtioMem);
  const names = all.map((device) => device.data.id ?? "one without an id").join(", ");
  switch (choice.kind) {
    case "none":
      return null;
    case "named": {
      const found = all.find((device) => device.data.id === choice.id);
      if (found !== undefined) return found;
      const has = all.length === 0 ? "no virtio-mem device" : names;
      throw new QemuSetupError(`memoryDevice is ${choice.id}, but QEMU has ${has}`);
    }
    case "only-one": {
      if (all.length > 1) {
        const text = `QEMU has several virtio-mem devices (${names}): name one as memoryDevice`;
        throw new QemuSetupError(text);
      }
      const [only] = all;
      if (only?.data.id === null) {
        const text = "the virtio-mem device has no id: give it one, or say memoryDevice: none";
        throw new QemuSetupError(text);
      }
      return only ?? null;
    }
    default:
      return choice satisfies never;
  }
}

function readDevice({ data }: QmpVirtioMem): MemoryDevice {
  return {
    sizeBytes: data.size,
    requestedBytes: data["requested-size"],
    maxBytes: data["max-size"],
    blockBytes: data["block-size"],
  };
}

const Dimm = z.object({ size: z.int().nonnegative() });

/** DIMMs and further virtio-mem devices are RAM; what else QEMU calls a memory device is not. */
function plusRam(sum: number, device: QmpMemoryDevice): number {
  if (isVirtioMem(device)) return sum + device.data.size;
  if (device.type !== "dimm") return sum;
  const dimm = Dimm.safeParse(device.data);
  if (!dimm.success)
    throw new QmpUnexpectedReplyError("query-memory-devices", "a DIMM has no size");
  return sum + dimm.data.size;
}

function byPlace(a: QmpHotpluggableCpu, b: QmpHotpluggableCpu): number {
  const [left, right] = [placeOf(a), placeOf(b)];
  const at = left.findIndex((part, index) => part !== right[index]);
  return at === -1 ? 0 : (left[at] ?? 0) - (right[at] ?? 0);
}

/** From the outermost to the innermost: the order of the ids that the guest sees. */
function placeOf({ props }: QmpHotpluggableCpu): readonly number[] {
  const levels = ["socket-id", "die-id", "core-id", "thread-id"] as const;
  return levels.map((level) => props[level] ?? 0);
}
