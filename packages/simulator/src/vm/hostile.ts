// Somebody hostile in the monitor's place: shakes hands, then says what no monitor says, forges answers, and floods.
import { decodeRange, HIGHEST_VERSION } from "@selfscale/protocol";
import { type Clock } from "../clock.ts";
import { type Random } from "../random.ts";
import { type Acceptor, type Connection } from "../wire.ts";
import { answerRange } from "./handshake.ts";
import { type Machine } from "./machine.ts";

/** As fast as the agent's shell lets frames through, now and then. */
const FAST_MS = 25;

/** What it says; `ID` is a number near those that the agent uses. */
const WORDS: readonly string[] = [
  "{",
  "[]",
  "null",
  '{"type":"Nobody","id":ID}',
  '{"type":"HealthCheck","id":ID}',
  '{"type":"HealthCheck","id":1e9}',
  '{"type":"UpscaleConfirmation","id":ID}',
  '{"type":"DownscaleResult","Ok":true,"Status":"forged","id":ID}',
  '{"type":"DownscaleResult","Ok":true,"Status":"forged","id":ID}',
  '{"type":"DownscaleResult","Ok":false,"Status":"no","lowest":{"cpu":0.25,"mem":134217728},"id":ID}',
  '{"type":"DownscaleResult","Ok":false,"Status":"no","lowest":{"cpu":1024,"mem":9007199254740991},"id":ID}',
  '{"type":"ScaleRequest","target":{"cpu":0.25,"mem":134217728},"id":3}',
  '{"type":"ScaleRequest","target":{"cpu":1024,"mem":9007199254740991},"id":3}',
  '{"type":"ScaleRequest","target":{"cpu":3,"mem":1610612736},"reason":"next-year","id":5}',
  '{"type":"ScaleRequest","target":{"cpu":-1,"mem":0},"id":7}',
  '{"type":"ScaleRequest","target":{"cpu":-1,"mem":805306368},"id":7}',
  '{"type":"ScaleRequest","target":{"cpu":2,"mem":1e300},"id":7}',
  '{"type":"ScaleRequest","target":{"cpu":1e-9,"mem":1},"ageMs":-4,"id":9}',
  '{"type":"UpscaleRequest","id":11}',
  '{"type":"InvalidMessage","error":"you","id":ID}',
  '{"type":"InternalError","error":"you","id":ID}',
];

export class Hostile {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #machine: Machine;
  readonly #uuid: string | null;
  #isOver = false;
  #shaken = new Set<Connection>();

  constructor(clock: Clock, random: Random, machine: Machine, uuid: string | null) {
    this.#clock = clock;
    this.#random = random;
    this.#machine = machine;
    this.#uuid = uuid;
  }

  get acceptor(): Acceptor {
    return {
      accepted: () => undefined,
      heard: (connection, text) => this.#heard(connection, text),
      closed: (connection) => this.#shaken.delete(connection),
    };
  }

  kill(): void {
    this.#isOver = true;
    for (const connection of this.#shaken) connection.drop("ECONNRESET");
  }

  #heard(connection: Connection, text: string): void {
    if (this.#isOver) return;
    if (!this.#shaken.has(connection)) {
      this.#shaken.add(connection);
      const range = decodeRange(text);
      const most = this.#random.pick([1, HIGHEST_VERSION, HIGHEST_VERSION]);
      connection.answer(answerRange(range, most, this.#machine, this.#uuid).reply);
      this.#goOn(connection);
      return;
    }
    const id = /"id":(\d+)/.exec(text)?.[1];
    if (id !== undefined && this.#random.chance(0.7)) this.#reply(connection, text, id);
  }

  /** Answers rightly now and then, or the link would not live. */
  #reply(connection: Connection, text: string, id: string): void {
    if (text.includes("HealthCheck")) connection.answer(`{"type":"HealthCheck","id":${id}}`);
    else if (text.includes("DownscaleRequest")) {
      const isAgreed = this.#random.chance(0.7);
      connection.answer(`{"type":"DownscaleResult","Ok":${isAgreed},"Status":"","id":${id}}`);
    } else if (text.includes("UpscaleNotification")) {
      connection.answer(`{"type":"UpscaleConfirmation","id":${id}}`);
    }
  }

  #goOn(connection: Connection): void {
    if (this.#isOver || !connection.isOpenForAcceptor) return;
    const word = this.#random.pick(WORDS);
    connection.answer(word.replace("ID", String(2 * this.#random.between(1, 40))));
    const pause = this.#random.chance(0.5) ? FAST_MS : this.#random.between(100, 2_000);
    this.#clock.after(pause, () => this.#goOn(connection));
  }
}
