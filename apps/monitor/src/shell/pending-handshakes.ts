import { type Socket } from "node:net";
import { type Duplex } from "node:stream";

/** How many and how long. `onFailed` hears of each that failed, once. */
export type PendingOptions = Readonly<{
  max: number;
  deadlineMs: number;
  onFailed(problem: string, address: string): void;
}>;

type Entry = {
  readonly socket: Socket;
  readonly address: string;
  readonly deadline: NodeJS.Timeout;
  /** Why it failed has been said and counted. */
  isTold: boolean;
};

/**
 * Connections that have not finished their handshake (TLS, upgrade, range), oldest first.
 *
 * They are known by their peer's address and port: under TLS what the upgrade shows is not the
 * socket that came in, but both have the same peer.
 */
export class PendingHandshakes {
  readonly #options: PendingOptions;
  readonly #entries = new Map<string, Entry>();

  constructor(options: PendingOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** From now on its time runs. */
  add(socket: Socket): void {
    const name = nameOf(socket);
    if (name === null) {
      socket.destroy(); // its peer left before we looked
      return;
    }
    if (this.#entries.size >= this.#options.max) this.#evict();
    const deadline = setTimeout(() => {
      this.#fail(name, "handshake took too long");
      socket.destroy();
    }, this.#options.deadlineMs);
    const address = socket.remoteAddress ?? "";
    this.#entries.set(name, { socket, address, deadline, isTold: false });
    socket.once("close", () => {
      if (this.#entries.get(name)?.socket !== socket) return;
      this.#fail(name, "the peer left before the handshake was done");
      this.#remove(name);
    });
  }

  /** Its failure is told already, by who refused it. It still has to end in time. */
  refused(socket: Duplex): void {
    const entry = this.#entries.get(nameOf(socket) ?? "");
    if (entry !== undefined) entry.isTold = true;
  }

  /** Its handshake is done. */
  finished(socket: Duplex): void {
    this.#remove(nameOf(socket) ?? "");
  }

  destroyAll(): void {
    for (const [name, { socket }] of this.#entries) {
      this.#remove(name);
      socket.destroy();
    }
  }

  /**
   * Makes room: the oldest goes, not the newest, of the address that holds the most. A real agent
   * finishes in milliseconds, while whoever holds sixteen silent connections would else keep it
   * out for as long as they like; and who floods pushes out their own connections first.
   */
  #evict(): void {
    const held = new Map<string, number>();
    for (const { address } of this.#entries.values()) {
      held.set(address, (held.get(address) ?? 0) + 1);
    }
    const most = Math.max(...held.values());
    for (const [name, { socket, address }] of this.#entries) {
      if (held.get(address) !== most) continue;
      this.#fail(name, "too many unfinished handshakes");
      this.#remove(name);
      socket.destroy();
      return;
    }
  }

  #fail(name: string, problem: string): void {
    const entry = this.#entries.get(name);
    if (entry === undefined || entry.isTold) return;
    entry.isTold = true;
    this.#options.onFailed(problem, entry.address);
  }

  #remove(name: string): void {
    clearTimeout(this.#entries.get(name)?.deadline);
    this.#entries.delete(name);
  }
}

/** Where the peer is; undefined when it is gone. */
export function addressOf(socket: Duplex): string | undefined {
  return (socket as PeerKnown).remoteAddress;
}

/** null when the peer is gone. */
function nameOf(socket: Duplex): string | null {
  const { remoteAddress, remotePort } = socket as PeerKnown;
  return remotePort === undefined ? null : `${remoteAddress} ${remotePort}`;
}

/** node promises no more than a Duplex, and gives a socket. */
type PeerKnown = Duplex & Partial<Pick<Socket, "remoteAddress" | "remotePort">>;
