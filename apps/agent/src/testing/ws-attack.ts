// A monitor's port behind which anything may be: bytes of HTTP and RFC 6455, rightly and wrongly made, and no farewell.
import { createHash } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import { type AddressInfo } from "node:net";
import { type Duplex } from "node:stream";
import * as fc from "fast-check";
import { onTestFinished } from "vitest";
import { WebSocketServer, type WebSocket } from "ws";

/** Replay with SEED=n; FUZZ_SECONDS=n is how long one fuzzer runs. */
export const SEED = Number(process.env["SEED"] ?? 1);
export const FUZZ_SECONDS = Number(process.env["FUZZ_SECONDS"] ?? 4);

export type Attack = Readonly<{
  /** What answers the upgrade. */
  opening: "nothing" | "refusal" | "wrong-key" | "upgrade" | "handshake";
  chunks: readonly Buffer[];
  ending: "reset" | "half-close" | "close";
}>;

type Shape = Readonly<{
  isFinal: boolean;
  reserved: number;
  isMasked: boolean;
  claimed: number | null;
}>;
const PROPER: Shape = { isFinal: true, reserved: 0, isMasked: false, claimed: null };

/** A frame as a server writes it. `claimed`: a length that is not the payload's. */
export function serverFrame(opcode: number, payload: Buffer, shape: Partial<Shape> = {}): Buffer {
  const { isFinal, reserved, isMasked, claimed } = { ...PROPER, ...shape };
  const length = claimed ?? payload.length;
  const first = (isFinal ? 0x80 : 0) | (reserved << 4) | opcode;
  const mask = isMasked ? 0x80 : 0;
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  head[0] = first;
  head[1] = mask | (length < 126 ? length : length < 65_536 ? 126 : 127);
  if (head.length === 4) head.writeUInt16BE(length, 2);
  if (head.length === 10) head.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([head, Buffer.alloc(isMasked ? 4 : 0), payload]);
}

const text = fc.constantFrom(
  '{"type":"ScaleRequest","target":{"cpu":4,"mem":1073741824},"id":3}',
  '{"type":"UpscaleRequest","id":5}',
  '{"type":"DownscaleResult","Ok":true,"Status":"","id":4}',
  '{"version":1}',
  "{}",
  "x".repeat(32_768),
  "x".repeat(32_769),
  "",
);
const payload = fc.oneof(
  text.map((words) => Buffer.from(words)),
  fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
);
const shape: fc.Arbitrary<Partial<Shape>> = fc.constantFrom(
  {},
  {},
  {},
  { isFinal: false },
  { reserved: 4 },
  { isMasked: true },
  { claimed: 2 ** 40 },
  { claimed: 100 },
);
const frame = fc
  .record({
    opcode: fc.constantFrom(0, 1, 1, 1, 2, 3, 8, 9, 10, 11),
    payload,
    shape,
    times: fc.constantFrom(1, 1, 1, 1, 5, 300),
  })
  .map(({ opcode, payload: bytes, shape: how, times }) => {
    const one = serverFrame(opcode, bytes, how);
    return Buffer.concat(Array.from({ length: one.length > 1_000 ? 1 : times }, () => one));
  });
const garbage = fc.uint8Array({ minLength: 1, maxLength: 500 }).map((bytes) => Buffer.from(bytes));

export const attack: fc.Arbitrary<Attack> = fc.record({
  opening: fc.constantFrom(
    "nothing" as const,
    "refusal",
    "wrong-key",
    "upgrade",
    "handshake",
    "handshake",
    "handshake",
  ),
  chunks: fc.array(fc.oneof({ weight: 4, arbitrary: frame }, { weight: 1, arbitrary: garbage }), {
    maxLength: 8,
  }),
  ending: fc.constantFrom("reset" as const, "half-close", "close"),
});

export type HostilePort = Readonly<{
  url: string;
  /** Strikes the agent's next connection; resolves once that is over on both sides. */
  strike: (attack: Attack, reply: string) => Promise<void>;
  /** The agent's next connection gets a websocket as it should be. */
  serve: () => Promise<WebSocket>;
}>;

/** Listens until the test ends. Connections wait until the test says what becomes of them. */
export async function startHostilePort(): Promise<HostilePort> {
  const waiting: { request: http.IncomingMessage; socket: Duplex; head: Buffer }[] = [];
  const wanted: ((one: (typeof waiting)[number]) => void)[] = [];
  const websockets = new WebSocketServer({ noServer: true });
  const server = http.createServer();
  server.on("upgrade", (request, socket, head) => {
    socket.on("error", () => undefined); // the agent left
    const take = wanted.shift();
    if (take === undefined) waiting.push({ request, socket, head });
    else take({ request, socket, head });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    for (const { socket } of waiting) socket.destroy();
    server.closeAllConnections();
    server.close();
  });
  /** Those that the agent gave up meanwhile are no connections. */
  const next = () =>
    new Promise<(typeof waiting)[number]>((resolve) => {
      const one = waiting.splice(0).findLast(({ socket }) => !socket.destroyed);
      if (one === undefined) wanted.push(resolve);
      else resolve(one);
    });
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/monitor`,
    strike: async (how, reply) => {
      const { request, socket } = await next();
      await strike(socket, request.headers["sec-websocket-key"] ?? "", how, reply);
    },
    serve: async () => {
      const { request, socket, head } = await next();
      return new Promise((resolve) => websockets.handleUpgrade(request, socket, head, resolve));
    },
  };
}

async function strike(socket: Duplex, key: string, how: Attack, reply: string): Promise<void> {
  const over = new Promise((resolve) => socket.once("close", resolve));
  const { opening, chunks, ending } = how;
  if (opening === "refusal") socket.write("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n");
  if (opening === "wrong-key") socket.write(upgraded("wrong"));
  if (opening === "upgrade" || opening === "handshake") socket.write(upgraded(key));
  if (opening === "handshake") {
    await Promise.race([once(socket, "data"), over]); // its range
    socket.write(serverFrame(1, Buffer.from(reply)));
  }
  socket.resume();
  for (const chunk of chunks) socket.write(chunk);
  if (ending === "reset") socket.destroy(); // with unread bytes: a reset
  if (ending === "half-close") socket.end();
  if (ending === "close") socket.end(() => socket.destroy());
  await over;
}

function upgraded(key: string): string {
  const magic = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  const accept = createHash("sha1")
    .update(key + magic)
    .digest("base64");
  return (
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
    `Sec-WebSocket-Accept: ${accept}\r\n\r\n`
  );
}
