import net from "node:net";
import { pino } from "pino";
import { type Auth, openToAll } from "../shell/auth.ts";
import { LINK_LIMITS, type LinkLimits, LinkServer } from "../shell/link-server.ts";
import { until } from "./until.ts";

/** A link server that echoes, with everything it was told and a clock that stands still. */
export class LinkRig {
  readonly events: string[] = [];
  readonly #stops: (() => Promise<void> | void)[] = [];
  now = 0;

  async serve(
    limits: Partial<LinkLimits> = {},
    auth: Auth = openToAll,
    port = 0,
  ): Promise<{ server: LinkServer; port: number }> {
    const server: LinkServer = new LinkServer(
      {
        now: () => this.now,
        facts: () => ({
          protocolMax: 2,
          features: ["size-report"],
          identity: { uuid: "12345678-9abc-4def-8123-456789abcdef", bootId: null },
          memBytes: 1024,
        }),
        onOpened: (link, { version }) => this.events.push(`opened ${link} v${version}`),
        onFrame: (link, text) => {
          this.events.push(`frame ${link} ${text.trim()}`);
          server.send(link, `echo ${text.trim()}`);
        },
        onClosed: (link, problem) => this.events.push(`closed ${link} ${problem}`),
        log: pino({ level: "silent" }),
        auth,
      },
      { ...LINK_LIMITS, ...limits },
    );
    const address = await server.listen({ address: "127.0.0.1", port });
    this.#stops.push(() => server.stop());
    return { server, port: address.port };
  }

  /** A TCP connection that says nothing but `text`. */
  async raw(port: number, text = ""): Promise<{ socket: net.Socket; heard: () => string }> {
    const socket = net.connect(port, "127.0.0.1");
    let heard = "";
    socket.on("data", (data) => (heard += data.toString()));
    socket.on("error", () => undefined);
    this.#stops.push(() => void socket.destroy());
    await until("connected", () => (socket.readyState === "open" ? true : null));
    socket.write(text);
    return { socket, heard: () => heard };
  }

  /** The event that begins so, once it has happened. */
  event(start: string): Promise<string> {
    return until(`"${start}"`, () => this.events.find((line) => line.startsWith(start)) ?? null);
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops.splice(0).reverse()) await stop();
  }
}

/** Waits until the other side has ended this socket. */
export function ended(socket: net.Socket): Promise<true> {
  return until("the socket closed", () => (socket.destroyed ? true : null));
}
