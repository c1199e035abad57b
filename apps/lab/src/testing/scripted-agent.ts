// An agent written down once more, small and in haste, that keeps every rule, or all of them but one. For testing the kit.
import { WebSocket, type ClientOptions } from "ws";
import { type Defect } from "./agent-defects.ts";
import { type LinkHost } from "./scripted-host.ts";
import { ScriptedLink } from "./scripted-link.ts";
import { ScriptedVm } from "./scripted-vm.ts";

export type ScriptedAgentSetup = Readonly<{
  url: string;
  /** UUID of its VM. */
  vm: string;
  token: string;
  /** Factor on the protocol's times. */
  tempo: number;
  defect: Defect | null;
}>;

const REDIAL_MS = 250;
/** What a slow one takes: longer than any agent may. */
const SLOW_REDIAL_MS = 90_000;
const SECOND_DIAL_AFTER_MS = 3_000;

export class ScriptedAgent implements LinkHost {
  readonly vm: ScriptedVm;
  readonly uuid: string;
  /** Where the next connection's ids begin. */
  nextId = 2;
  /** Questions of earlier connections, kept by an agent that mixes them up. */
  oldQuestions = new Map<unknown, () => void>();
  readonly #setup: ScriptedAgentSetup;
  readonly #timers = new Set<NodeJS.Timeout>();
  #socket: WebSocket | null = null;
  #isStopped = false;

  constructor(setup: ScriptedAgentSetup) {
    this.#setup = setup;
    this.uuid = setup.vm;
    this.vm = new ScriptedVm(this.has);
    this.#dial();
  }

  readonly has = (defect: Defect): boolean => this.#setup.defect === defect;

  readonly ms = (ms: number): number => ms * this.#setup.tempo;

  /** Calls later, unless it was stopped; the times are the protocol's. */
  later(ms: number, call: () => void): NodeJS.Timeout {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      call();
    }, this.ms(ms));
    this.#timers.add(timer);
    return timer;
  }

  cancel(timer: NodeJS.Timeout): void {
    clearTimeout(timer);
    this.#timers.delete(timer);
  }

  stop(): void {
    this.#isStopped = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#socket?.terminate();
  }

  #dial(): void {
    const socket = new WebSocket(this.#setup.url, this.#options());
    this.#socket = socket;
    let redialMs = REDIAL_MS;
    let link: ScriptedLink | null = null;
    socket.on("open", () => {
      link = new ScriptedLink(socket, this);
      if (this.has("dials twice")) this.later(SECOND_DIAL_AFTER_MS, () => this.#dialAgain(socket));
    });
    socket.on("message", (data: Buffer) => link?.hear(data.toString()));
    socket.on("unexpected-response", () => {
      if (this.has("slow to dial after a refusal")) redialMs = SLOW_REDIAL_MS;
      socket.terminate();
    });
    let hasFailed = false;
    socket.on("error", () => (hasFailed = true)); // a close follows
    socket.on("close", (code) => {
      const isCut = code === 1006 && link !== null && !hasFailed;
      const isSlow =
        (this.has("slow to dial after a cut") && isCut) ||
        (this.has("slow to dial after a restart") && code === 1001);
      if (isSlow) redialMs = SLOW_REDIAL_MS;
      link?.end();
      if (!this.#isStopped) this.later(redialMs, () => this.#dial());
    });
  }

  #dialAgain(first: WebSocket): void {
    if (first.readyState !== WebSocket.OPEN) return;
    // Where no check waits for it.
    const second = new WebSocket(`${this.#setup.url}/again`, this.#options());
    second.on("open", () => second.terminate()).on("error", () => undefined);
  }

  #options(): ClientOptions {
    const { token } = this.#setup;
    const shown = this.has("shows the token in another form") ? token : `Bearer ${token}`;
    const most = this.has("the largest frame is too large") ? 32_767 : 32_768;
    return {
      headers: this.has("shows no token") ? {} : { Authorization: shown },
      perMessageDeflate: false,
      maxPayload: this.has("no frame is too large") ? 0 : most,
      followRedirects: this.has("follows redirects"),
    };
  }
}
