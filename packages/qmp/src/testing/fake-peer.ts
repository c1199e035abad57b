// A peer that speaks QMP wrong. The script is the misbehaviour; everything else is the test's.
import { once } from "node:events";
import net from "node:net";
import { makeTempDir } from "./temp-dir.ts";

export const GREETING = {
  QMP: { version: { qemu: { major: 7, minor: 2, micro: 22 }, package: "" }, capabilities: ["oob"] },
};

export type SeenCommand = Readonly<{ execute: string; arguments: unknown; id: number }>;

/** The peer's end of one connection. */
export class PeerLink {
  readonly socket: net.Socket;
  readonly #seen: SeenCommand[] = [];
  #partial = "";
  #wake: () => void = () => undefined;

  constructor(socket: net.Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.setEncoding("utf8");
    socket.on("data", (text: string) => {
      const lines = (this.#partial + text).split("\n");
      this.#partial = lines.pop() ?? "";
      this.#seen.push(...lines.map((line) => JSON.parse(line) as SeenCommand));
      this.#wake();
    });
    socket.on("error", () => undefined); // the client may hang up on us: that is what is tested
  }

  send(message: object): void {
    this.raw(`${JSON.stringify(message)}\r\n`);
  }

  raw(bytes: string | Uint8Array): void {
    this.socket.write(bytes);
  }

  /** Resolves once the kernel has the bytes: what follows most likely arrives as another chunk. */
  async flush(bytes: string | Uint8Array): Promise<void> {
    await new Promise((resolve) => this.socket.write(bytes, resolve));
  }

  /** The next command, whenever it comes. */
  async command(): Promise<SeenCommand> {
    for (;;) {
      const next = this.#seen.shift();
      if (next !== undefined) return next;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** The well-behaved start. */
  async open(): Promise<void> {
    this.send(GREETING);
    const { id } = await this.command();
    this.send({ return: {}, id });
  }
}

export type FakePeer = Readonly<{ address: string; stop: () => Promise<void> }>;

/** Listens on a unix socket and plays `script` to each connection. */
export async function startFakePeer(
  script: (link: PeerLink) => Promise<void> | void,
): Promise<FakePeer> {
  const dir = makeTempDir();
  const links = new Set<net.Socket>();
  const failures: unknown[] = [];
  const server = net.createServer((socket) => {
    links.add(socket);
    Promise.resolve(script(new PeerLink(socket))).catch((error: unknown) => failures.push(error));
  });
  server.listen(dir.file("qmp"));
  await once(server, "listening");
  const stop = async () => {
    for (const socket of links) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
    dir.remove();
    if (failures.length > 0) throw new AggregateError(failures, "the peer's script failed");
  };
  return { address: `unix:${dir.file("qmp")}`, stop };
}
