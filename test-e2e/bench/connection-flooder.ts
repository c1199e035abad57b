// Opens connections to a monitor as fast as both sides can, in a process of its own. Orders come from connections.ts.
import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { encodeRange } from "@selfscale/protocol";
import { serveOrders } from "./helper-process.ts";

/** What a connection says once it is open; it then waits until the monitor ends it. */
export type Visitor = "silent" | "upgrade" | "garbage" | "torrent" | "handshake";
export type ConnectionsOrder = Readonly<{ visitor: Visitor; port: number; forMs: number }>;
export type ConnectionsAnswer = Readonly<{ opened: number; refused: number; overMs: number }>;

/** Open or opening at once. Enough that the monitor never waits for us. */
const AT_ONCE = 64;

const UPGRADE = [
  "GET /monitor HTTP/1.1",
  "Host: 127.0.0.1",
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}`,
  "\r\n",
].join("\r\n");
const WORDS: Readonly<Record<Visitor, Buffer>> = {
  silent: Buffer.alloc(0),
  upgrade: Buffer.from(UPGRADE),
  garbage: Buffer.concat([Buffer.from(UPGRADE), frameOf("garbage")]),
  torrent: Buffer.from(UPGRADE), // and then TORRENT, for ever
  handshake: Buffer.concat([Buffer.from(UPGRADE), frameOf(encodeRange({ min: 1, max: 2 }))]),
};
const TORRENT = Buffer.concat(Array.from({ length: 4_000 }, () => frameOf("garbage")));

serveOrders(async ({ visitor, port, forMs }: ConnectionsOrder): Promise<ConnectionsAnswer> => {
  const sockets = new Set<Socket>();
  let [opened, refused, isOver] = [0, 0, false];
  const open = () => {
    const socket = connect(port, "127.0.0.1");
    sockets.add(socket);
    let isOpen = false;
    socket.on("connect", () => {
      isOpen = true;
      opened += 1;
      socket.write(WORDS[visitor]);
      if (visitor === "torrent") pour(socket);
    });
    socket.on("data", () => undefined); // read, or its end would not be seen
    socket.on("end", () => socket.resetAndDestroy());
    socket.on("error", () => undefined); // its close tells
    socket.on("close", () => {
      sockets.delete(socket);
      if (!isOpen) refused += 1;
      if (!isOver) setImmediate(open);
    });
  };
  const beginAt = performance.now();
  for (let n = 0; n < AT_ONCE; n += 1) open();
  await pause(forMs);
  isOver = true;
  for (const socket of sockets) socket.resetAndDestroy();
  return { opened, refused, overMs: performance.now() - beginAt };
});

/** Garbage for as long as the monitor takes it. */
function pour(socket: Socket): void {
  socket.write(TORRENT, (error) => {
    if (!error) pour(socket);
  });
}

/** A text frame of RFC 6455, short, and masked with zeros. */
function frameOf(text: string): Buffer {
  return Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), Buffer.from(text)]);
}
