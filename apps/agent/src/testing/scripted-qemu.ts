// A QEMU with a guest, as QMP shows it: memory moves only as far as the test lets it.
import { once } from "node:events";
import net from "node:net";
import path from "node:path";
import { onTestFinished } from "vitest";
import { makeTempDir } from "./temp-dir.ts";
import { BASE_BYTES, BLOCK_BYTES, DEVICE_BYTES } from "./qemu.ts";

export type ScriptedQemu = {
  readonly socket: string;
  /** What the guest has plugged. The test moves it. */
  sizeBytes: number;
  requestedBytes: number;
  /** Every value written to requested-size, oldest first. */
  readonly requests: number[];
  /** The guest follows requested-size at once. */
  isObedient: boolean;
  /** It reads commands and answers none. */
  isMute: boolean;
};

type Command = Readonly<{ execute: string; arguments?: { value?: number }; id?: number }>;

export async function startScriptedQemu(uuid: string, pluggedBytes: number): Promise<ScriptedQemu> {
  const qemu: ScriptedQemu = {
    socket: path.join(makeTempDir(), "qmp"),
    sizeBytes: pluggedBytes,
    requestedBytes: pluggedBytes,
    requests: [],
    isObedient: true,
    isMute: false,
  };
  const server = net.createServer((socket) =>
    serve(qemu, socket, (command) => answer(qemu, uuid, command)),
  );
  server.listen(qemu.socket);
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return qemu;
}

function serve(qemu: ScriptedQemu, socket: net.Socket, run: (command: Command) => unknown): void {
  const say = (message: object) => socket.write(`${JSON.stringify(message)}\r\n`);
  const version = { qemu: { major: 7, minor: 2, micro: 22 }, package: "" };
  say({ QMP: { version, capabilities: [] } });
  let rest = "";
  socket.setEncoding("utf8").on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines.filter((one) => one.trim() !== "")) {
      const command = JSON.parse(line) as Command;
      if (!qemu.isMute) say({ return: run(command), id: command.id });
    }
  });
  socket.on("error", () => undefined); // the agent left
}

function answer(qemu: ScriptedQemu, uuid: string, command: Command): unknown {
  switch (command.execute) {
    case "query-status":
      return { status: "running", running: true };
    case "query-uuid":
      return { UUID: uuid };
    case "query-memory-size-summary":
      return { "base-memory": BASE_BYTES, "plugged-memory": qemu.sizeBytes };
    case "query-cpus-fast":
      return [{ "cpu-index": 0, "qom-path": "/machine/cpu0", "thread-id": 1 }];
    case "query-hotpluggable-cpus":
      return [{ type: "cpu", "vcpus-count": 1, props: {}, "qom-path": "/machine/cpu0" }];
    case "query-memory-devices":
      return [{ type: "virtio-mem", data: deviceOf(qemu) }];
    case "qom-set":
      qemu.requestedBytes = command.arguments?.value ?? 0;
      qemu.requests.push(qemu.requestedBytes);
      if (qemu.isObedient) qemu.sizeBytes = qemu.requestedBytes;
      return {};
    default:
      return {};
  }
}

function deviceOf(qemu: ScriptedQemu) {
  return {
    id: "vm0",
    memdev: "/objects/vmem0",
    node: 0,
    "block-size": BLOCK_BYTES,
    "max-size": DEVICE_BYTES,
    "requested-size": qemu.requestedBytes,
    size: qemu.sizeBytes,
  };
}
