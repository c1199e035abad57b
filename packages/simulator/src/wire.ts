// Connections between an agent and a monitor: in order within one connection, in any order between two. Bytes may be
// late, a connection may die, or it may go on looking open while nothing arrives any more.
import { type Clock } from "./clock.ts";
import { type Random } from "./random.ts";

/** Who sits at one end. Frames may still come after its own close: they were on their way. */
export type End = Readonly<{
  heard: (connection: Connection, text: string) => void;
  closed: (connection: Connection, problem: string) => void;
}>;

/** Who dials is told whether it worked. */
export type Dialer = End &
  Readonly<{
    opened: (connection: Connection) => void;
    failed: (connection: Connection, problem: string) => void;
  }>;

/** Who listens in the guest. `null`: nobody does. "silent": somebody who never answers. */
export type Port = () => Acceptor | "silent" | null;
export type Acceptor = End & Readonly<{ accepted: (connection: Connection) => void }>;

export class Connection {
  readonly dialer: Dialer;
  acceptor: Acceptor | null = null;
  /** Bytes of it vanish, and nobody is told. */
  isLost = false;
  isOpenForDialer = false;
  isOpenForAcceptor = false;
  /** Nothing overtakes on one connection. */
  upAt = 0;
  downAt = 0;
  readonly #network: Network;

  constructor(network: Network, dialer: Dialer) {
    this.#network = network;
    this.dialer = dialer;
  }

  /** From the dialer to the one who accepted. */
  say(text: string): void {
    if (this.isOpenForDialer) this.#network.up(this, () => this.acceptor?.heard(this, text));
  }

  answer(text: string): void {
    if (this.isOpenForAcceptor) this.#network.down(this, () => this.dialer.heard(this, text));
  }

  /** The dialer's end is over; the other one learns of it. */
  hangUp(problem: string): void {
    if (!this.isOpenForDialer) return;
    this.isOpenForDialer = false;
    this.#network.up(this, () => {
      this.isOpenForAcceptor = false;
      this.acceptor?.closed(this, problem);
    });
  }

  /** The same from the accepting end. */
  drop(problem: string): void {
    if (!this.isOpenForAcceptor) return;
    this.isOpenForAcceptor = false;
    this.#network.down(this, () => {
      this.isOpenForDialer = false;
      this.dialer.closed(this, problem);
    });
  }
}

/** How it is between the agent and one VM now. */
export type Weather = {
  slowMs: number;
  /** Of frames to the agent alone. */
  lateMs: number;
  isRefused: boolean;
  /** Nothing new arrives at all: dialling ends by the dialer's own patience. */
  isVanishing: boolean;
  /** Nothing is read in the guest before. */
  unreadUntil: number;
};

const DIAL_MS = 4_000;

export class Network {
  readonly weather: Weather = {
    slowMs: 0,
    lateMs: 0,
    isRefused: false,
    isVanishing: false,
    unreadUntil: 0,
  };
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #port: Port;
  #connections: Connection[] = [];

  constructor(clock: Clock, random: Random, port: Port) {
    this.#clock = clock;
    this.#random = random;
    this.#port = port;
  }

  dial(dialer: Dialer): Connection {
    const connection = new Connection(this, dialer);
    const { isRefused, isVanishing } = this.weather;
    const port = isRefused ? null : this.#port();
    if (isVanishing || port === "silent") {
      this.#clock.after(DIAL_MS, () => dialer.failed(connection, "no answer to the upgrade"));
      return connection;
    }
    this.#clock.after(this.#delayMs(), () => {
      const acceptor = this.weather.isRefused ? null : this.#port();
      if (acceptor === null || acceptor === "silent") {
        dialer.failed(connection, "ECONNREFUSED");
        return;
      }
      this.#connections = this.#connections.filter(isAlive);
      this.#connections.push(connection);
      connection.acceptor = acceptor;
      connection.isOpenForDialer = true;
      connection.isOpenForAcceptor = true;
      acceptor.accepted(connection);
      dialer.opened(connection);
    });
    return connection;
  }

  /** All connections die, and both ends learn of it. */
  breakAll(problem: string): void {
    for (const connection of this.#connections.filter((one) => !one.isLost)) {
      connection.drop(problem);
      if (!connection.isOpenForDialer) continue;
      this.#clock.after(this.#delayMs(), () => {
        connection.acceptor?.closed(connection, problem);
      });
    }
  }

  /** All connections go on looking open. */
  loseAll(): void {
    for (const connection of this.#connections) connection.isLost = true;
  }

  up(connection: Connection, arrive: () => void): void {
    const readAt = Math.max(this.#clock.now + this.#delayMs(), this.weather.unreadUntil);
    connection.upAt = Math.max(connection.upAt, readAt);
    this.#send(connection, connection.upAt, arrive);
  }

  down(connection: Connection, arrive: () => void): void {
    const at = this.#clock.now + this.#delayMs() + this.weather.lateMs;
    connection.downAt = Math.max(connection.downAt, at);
    this.#send(connection, connection.downAt, arrive);
  }

  #send(connection: Connection, at: number, arrive: () => void): void {
    if (connection.isLost) return;
    this.#clock.at(at, () => {
      if (!connection.isLost) arrive();
    });
  }

  #delayMs(): number {
    return this.#random.between(1, 4) + this.weather.slowMs;
  }
}

function isAlive(connection: Connection): boolean {
  return connection.isOpenForDialer || connection.isOpenForAcceptor;
}
