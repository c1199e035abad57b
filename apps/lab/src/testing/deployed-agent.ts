// The deployed agent (version 1 only) as far as a monitor sees it, its mistakes included. A panic is what it looks like from
// outside: the connection is cut and the runner starts anew.
import { WebSocket } from "ws";

export type DeployedAgentSetup = Readonly<{
  url: string;
  /** Factor on its times. */
  tempo: number;
}>;

const MAX_FRAME_BYTES = 32_768;
const CONNECT_MS = 4_000;
const RECONNECT_MS = 5_000;
const RESPONSE_MS = 5_000;
const HEALTH_CHECK_MS = 5_000;
/** From the first health check that failed to the one that ends the link. */
const HEALTH_ABORT_MS = 30_000;
const GROWTH_MS = 500;
/** 350m as its language prints it. */
const GRANTED = { cpu: 0.35000000000000003, mem: 2 * 1024 ** 3 };
const CLOSE = { protocolError: 1002, invalidPayload: 1007, internalError: 1011 } as const;

type Message = Readonly<Record<string, unknown>>;

export class DeployedAgent {
  readonly #setup: DeployedAgentSetup;
  readonly #timers = new Set<NodeJS.Timeout>();
  #socket: WebSocket | null = null;
  #isStopped = false;

  constructor(setup: DeployedAgentSetup) {
    this.#setup = setup;
    this.#dial();
  }

  stop(): void {
    this.#isStopped = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#socket?.terminate();
  }

  /** Attempts start at least 5 s apart, and at once after a connection that lived that long. */
  #dial(): void {
    const startedAt = performance.now();
    const socket = new WebSocket(this.#setup.url, {
      perMessageDeflate: false,
      maxPayload: MAX_FRAME_BYTES,
    });
    this.#socket = socket;
    const timers: NodeJS.Timeout[] = [];
    const later = (ms: number, call: () => void) => timers.push(this.#later(ms, call));
    socket.on("open", () => speak(socket, later));
    socket.on("unexpected-response", () => socket.terminate());
    socket.on("error", () => undefined); // a close follows
    socket.on("close", () => {
      for (const timer of timers) clearTimeout(timer);
      const livedMs = (performance.now() - startedAt) / this.#setup.tempo;
      if (!this.#isStopped) this.#later(Math.max(0, RECONNECT_MS - livedMs), () => this.#dial());
    });
  }

  #later(ms: number, call: () => void): NodeJS.Timeout {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      call();
    }, ms * this.#setup.tempo);
    this.#timers.add(timer);
    return timer;
  }
}

/** One connection, from the range on. */
function speak(socket: WebSocket, later: (ms: number, call: () => void) => unknown): void {
  const waiting = new Map<unknown, string>();
  let isGreeted = false;
  let hasApproved = false;
  let nextId = 2;
  let failingForMs: number | null = null;
  const say = (message: Message) => socket.send(`${JSON.stringify(message)}\n`);
  const complain = (id: unknown, error: string) =>
    say({ content: { error }, type: "InvalidMessage", id });

  const checkHealth = () => {
    const id = nextId;
    nextId += 2;
    hasApproved = true;
    waiting.set(id, "HealthCheck");
    say({ content: {}, type: "HealthCheck", id });
    later(RESPONSE_MS, () => {
      if (!waiting.delete(id)) return;
      failingForMs = failingForMs === null ? 0 : failingForMs + HEALTH_CHECK_MS;
      if (failingForMs > HEALTH_ABORT_MS) socket.close(CLOSE.internalError, "health checks failed");
    });
    later(HEALTH_CHECK_MS, checkHealth);
  };

  const notify = () => {
    waiting.set(nextId, "UpscaleConfirmation");
    say({ content: { granted: GRANTED }, type: "UpscaleNotification", id: nextId });
    nextId += 2;
  };

  const greet = (text: string) => {
    const reply = read(text);
    if (reply === null || typeof reply.error === "string") {
      socket.close(CLOSE.protocolError, "error during protocol handshake");
      return;
    }
    isGreeted = true; // whatever the version says, or if there is none
    later(HEALTH_CHECK_MS, checkHealth);
  };

  const understand = ({ type, id, Ok, Status }: Message) => {
    const asked = waiting.get(id);
    switch (type) {
      case "UpscaleRequest":
        if (!hasApproved)
          socket.terminate(); // a panic
        else later(GROWTH_MS, notify);
        return;
      case "InvalidMessage":
      case "InternalError":
        waiting.delete(id);
        return;
      case "HealthCheck":
      case "UpscaleConfirmation":
      case "DownscaleResult":
        if (type === "DownscaleResult" && (typeof Ok !== "boolean" || typeof Status !== "string")) {
          complain(id, "failed to unmarshal");
          socket.close(CLOSE.internalError, "failed to unmarshal");
        } else if (asked === undefined) {
          complain(id, `Received ${type} but id is unknown or already timed out`);
        } else if (asked !== type) {
          socket.terminate(); // a panic
        } else {
          waiting.delete(id);
          failingForMs = null;
        }
        return;
      default:
        complain(id, "Received message of unknown type");
    }
  };

  say({ min: 1, max: 1 });
  later(CONNECT_MS, () => {
    if (!isGreeted) socket.close(CLOSE.protocolError, "failed to read the reply");
  });
  socket.on("message", (data: Buffer) => {
    const text = data.toString();
    if (!isGreeted) {
      greet(text);
      return;
    }
    const message = read(text);
    if (message === null) socket.close(CLOSE.invalidPayload, "failed to unmarshal JSON");
    else if (typeof message.id !== "number" || typeof message.type !== "string") {
      socket.close(CLOSE.internalError, "no id or no type");
    } else understand(message);
  });
}

function read(text: string): Message | null {
  try {
    const json: unknown = JSON.parse(text);
    return typeof json === "object" && json !== null && !Array.isArray(json)
      ? (json as Message)
      : null;
  } catch {
    return null;
  }
}
