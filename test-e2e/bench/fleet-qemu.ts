// A QEMU of the simulated fleet: a QMP socket that answers, in QEMU 7.2's shapes, what the agent asks, and a guest that
// plugs at once. test-e2e/cases/fleet-qemu.test.ts holds its answers against a real QEMU's.
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { MIB } from "../harness/truth.ts";

export const BASE_BYTES = 512 * MIB;
/** More than any run of the bench asks for, cell by cell. */
export const DEVICE_BYTES = 64 * 1024 * MIB;
const VCPUS_MAX = 4;
const BLOCK_BYTES = 2 * MIB;
const CPU_TYPE = "qemu64-x86_64-cpu";

type Command = Readonly<{
  execute: string;
  arguments?: Readonly<Record<string, unknown>>;
  id?: number;
}>;

export type SimulatedQemuOptions = Readonly<{
  socketPath: string;
  uuid: string;
  /** `requested-size` was written: bytes. */
  onRequested: (bytes: number) => void;
  /** One more command came. */
  onCommand: () => void;
}>;

export class SimulatedQemu {
  readonly #options: SimulatedQemuOptions;
  /** virtio-mem's; the guest is always as large as it was asked to be. */
  #sizeBytes = 0;
  #plugged: readonly string[] = ["/machine/unattached/device[0]"];

  private constructor(options: SimulatedQemuOptions) {
    this.#options = options;
  }

  /** Listening; it ends with the process. */
  static async start(options: SimulatedQemuOptions): Promise<SimulatedQemu> {
    const qemu = new SimulatedQemu(options);
    const server = createServer((socket) => qemu.#serve(socket));
    server.listen(options.socketPath);
    await once(server, "listening");
    return qemu;
  }

  #serve(socket: Socket): void {
    const say = (message: object) => socket.write(`${JSON.stringify(message)}\r\n`);
    const version = { qemu: { micro: 22, minor: 2, major: 7 }, package: "simulated" };
    say({ QMP: { version, capabilities: ["oob"] } });
    let rest = "";
    socket.setEncoding("utf8").on("data", (text: string) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const command = JSON.parse(line) as Command;
        this.#options.onCommand();
        const before = this.#sizeBytes;
        say({ ...this.#answer(command), id: command.id });
        if (this.#sizeBytes !== before) say(this.#sizeChange());
      }
    });
    socket.on("error", () => undefined); // the agent left
  }

  #answer({ execute, arguments: args }: Command): object {
    switch (execute) {
      case "qmp_capabilities":
        return { return: {} };
      case "query-uuid":
        return { return: { UUID: this.#options.uuid } };
      case "query-status":
        return { return: { status: "running", singlestep: false, running: true } };
      case "query-memory-size-summary":
        return { return: { "base-memory": BASE_BYTES, "plugged-memory": this.#sizeBytes } };
      case "query-memory-devices":
        return { return: [{ type: "virtio-mem", data: this.#device() }] };
      case "query-cpus-fast":
        return { return: this.#cpus() };
      case "query-hotpluggable-cpus":
        return { return: this.#slots() };
      case "qom-set":
        this.#sizeBytes = Number(args?.["value"]);
        this.#options.onRequested(this.#sizeBytes);
        return { return: {} };
      case "device_add":
        this.#plugged = [...this.#plugged, `/machine/peripheral/${String(args?.["id"])}`];
        return { return: {} };
      default: {
        const desc = `The command ${execute} has not been found`;
        return { error: { class: "CommandNotFound", desc } };
      }
    }
  }

  #device(): object {
    return {
      memdev: "/objects/vmem0",
      memaddr: 4 * 1024 * MIB,
      "block-size": BLOCK_BYTES,
      size: this.#sizeBytes,
      node: 0,
      "max-size": DEVICE_BYTES,
      "requested-size": this.#sizeBytes,
      id: "vm0",
    };
  }

  #cpus(): object[] {
    return this.#plugged.map((path, index) => ({
      // Ours: the agent reads the CPU time of the process that it belongs to.
      "thread-id": process.pid,
      props: propsOf(index),
      "qom-path": path,
      "cpu-index": index,
      target: "x86_64",
    }));
  }

  /** QEMU lists the highest first. */
  #slots(): object[] {
    return Array.from({ length: VCPUS_MAX }, (_, index) => {
      const path = this.#plugged[index];
      return {
        props: propsOf(index),
        "vcpus-count": 1,
        ...(path === undefined ? {} : { "qom-path": path }),
        type: CPU_TYPE,
      };
    }).toReversed();
  }

  #sizeChange(): object {
    const nowMs = Date.now();
    return {
      timestamp: { seconds: Math.floor(nowMs / 1000), microseconds: (nowMs % 1000) * 1000 },
      event: "MEMORY_DEVICE_SIZE_CHANGE",
      data: { id: "vm0", size: this.#sizeBytes, "qom-path": "/machine/peripheral/vm0" },
    };
  }
}

function propsOf(socket: number): object {
  return { "core-id": 0, "thread-id": 0, "node-id": 0, "socket-id": socket };
}
