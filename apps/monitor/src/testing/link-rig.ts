import net from "node:net";
import { type Recorder } from "@selfscale/recording";
import { pino } from "pino";
import { type Auth, openToAll } from "../shell/auth.ts";
import { LINK_LIMITS, type LinkLimits, LinkServer } from "../shell/link-server.ts";
import { Tls } from "../shell/tls.ts";
import { type TlsFiles } from "../shell/tls-files.ts";
import { until } from "./until.ts";

/** A link server that echoes, with everything it was told and a clock that stands still. */
export class LinkRig {
  readonly events: string[] = [];
  /** What was logged at level debug and above. */
  readonly logged: Readonly<Record<string, unknown> & { msg: string }>[] = [];
  readonly #stops: (() => Promise<void> | void)[] = [];
  readonly #log = pino(
    { level: "debug", base: null },
    { write: (text: string) => void this.logged.push(JSON.parse(text) as { msg: string }) },
  );
  now = 0;
  /** Serves wss from these files. */
  tlsFiles: TlsFiles | null = null;
  recorder: Recorder | null = null;

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
        log: this.#log,
        auth,
        tls:
          this.tlsFiles === null
            ? null
            : new Tls(this.tlsFiles, { log: this.#log, now: () => this.now }),
        record: (address) => this.recorder?.connection({ vm: null, address }) ?? null,
      },
      { ...LINK_LIMITS, ...limits },
    );
    const address = await server.listen({ address: "127.0.0.1", port });
    this.#stops.push(() => server.stop());
    return { server, port: address.port };
  }

  /** A TCP connection that says nothing but `text`. */
  async raw(
    port: number,
    text = "",
    localAddress = "127.0.0.1",
  ): Promise<{ socket: net.Socket; heard: () => string }> {
    const socket = net.connect({ port, host: "127.0.0.1", localAddress });
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
