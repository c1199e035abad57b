// What a hostile or broken peer can do to the websocket server: end its own connection, nothing else.
import type net from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ended, LinkRig } from "../testing/link-rig.ts";
import { Peer } from "../testing/peer.ts";
import { until } from "../testing/until.ts";

const UPGRADE =
  "GET /monitor HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";

let rig: LinkRig;

beforeEach(() => {
  rig = new LinkRig();
});
afterEach(() => rig.stop());

test("other paths are not found, plain requests are no websocket", async () => {
  const { port } = await rig.serve();
  expect(await new Peer(port, { path: "/metrics" }).refusal()).toBe(404);
  expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(404);
  expect((await fetch(`http://127.0.0.1:${port}/monitor`)).status).toBe(426);
});

test("a frame above the limit closes with 1009", async () => {
  const { port } = await rig.serve();
  const peer = await Peer.shake(port);
  await peer.frame(0);
  peer.ws.send("x".repeat(32_769));
  expect(await peer.closing()).toMatchObject({ code: 1009 });
  expect(rig.events.at(-1)).toMatch(/^closed 1 /);
});

test("a frame at the limit is read", async () => {
  const { port } = await rig.serve();
  const peer = await Peer.shake(port);
  await peer.frame(0);
  peer.ws.send("x".repeat(32_768));
  expect((await peer.frame(1)).length).toBe(32_768 + "echo ".length);
});

test("binary frames are read as text, whatever they hold", async () => {
  const { port } = await rig.serve();
  const peer = await Peer.shake(port);
  await peer.frame(0);
  peer.ws.send(Buffer.from([0xff, 0xfe, 0x00]));
  peer.ws.send(Buffer.from("plain"));
  expect(await peer.frame(2)).toBe("echo plain");
});

test("a flood is cut off, and the next connection works", async () => {
  const { port } = await rig.serve();
  const flood = await Peer.shake(port);
  await flood.frame(0);
  for (let i = 0; i < 5000; i++) flood.ws.send("x");
  expect(await flood.closing()).toMatchObject({ code: 1008 });
  expect(rig.events.filter((line) => line.startsWith("frame 1")).length).toBeLessThan(1000);
  const next = await Peer.shake(port);
  expect(await next.frame(0)).toBe('{"version":1}');
});

test("a flood of pings is cut off too", async () => {
  const { port } = await rig.serve();
  const flood = await Peer.shake(port);
  await flood.frame(0);
  for (let i = 0; i < 5000; i++) flood.ws.ping();
  await flood.closing();
  expect(rig.events.at(-1)).toBe("closed 1 too many frames");
});

test("a flood of pongs is cut off too, a ping is answered", async () => {
  const { port } = await rig.serve();
  const flood = await Peer.shake(port);
  await flood.frame(0);
  let pongs = 0;
  flood.ws.on("pong", () => (pongs += 1));
  flood.ws.ping();
  await until("a pong", () => (pongs === 1 ? true : null));
  for (let i = 0; i < 5000; i++) flood.ws.pong();
  await flood.closing();
  expect(rig.events.at(-1)).toBe("closed 1 too many frames");
});

test("whoever pings instead of sending a range is cut off, and told nothing", async () => {
  const { port } = await rig.serve({ handshakeMs: 600_000 });
  const { socket, heard } = await rig.raw(port, UPGRADE);
  await until("upgraded", () => (heard().includes("101") ? true : null));
  const told = heard();
  const ping = Buffer.from([0x89, 0x80, 0, 0, 0, 0]);
  await pour(socket, Buffer.concat(Array.from({ length: 10_000 }, () => ping)));
  expect(heard()).toBe(told);
});

test("an agent that goes on talking after the close is cut off, not listened to", async () => {
  const { port, server } = await rig.serve();
  const { socket, heard } = await rig.raw(port, UPGRADE);
  socket.write(masked('{"min":1,"max":1}'));
  await rig.event("opened 1");
  await until("an answer", () => (heard().includes("version") ? true : null));
  server.close(1, 1008, "enough");
  const block = Buffer.concat(Array.from({ length: 1024 }, () => masked("x".repeat(100))));
  expect(await pour(socket, block)).toBeLessThan(64 * 1024 ** 2);
});

/** Writes until the other side has cut it off, and says how much the kernel took. Bytes. */
async function pour(socket: net.Socket, block: Buffer): Promise<number> {
  for (let taken = 0; ; taken += block.length) {
    const isTaken = await new Promise<boolean>((resolve) => {
      const onClose = () => resolve(false);
      socket.once("close", onClose);
      socket.write(block, (error) => {
        socket.off("close", onClose);
        resolve(!error);
      });
    });
    if (!isTaken) return taken;
  }
}

/** A short text frame, masked with zeros. */
function masked(text: string): Buffer {
  return Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), Buffer.from(text)]);
}

test("a reader that does not read is dropped", async () => {
  const { port, server } = await rig.serve();
  const peer = await Peer.shake(port);
  await peer.frame(0);
  peer.ws.pause();
  const end = await until("it is dropped", () => {
    server.send(1, "x".repeat(30_000));
    return rig.events.find((line) => line.startsWith("closed")) ?? null;
  });
  expect(end).toBe("closed 1 the agent does not read");
  peer.ws.terminate();
});

test.for([
  { name: "garbage", text: "\x00\x01\x02\x03 garbage \r\n\r\n" },
  { name: "a huge header", text: `GET /monitor HTTP/1.1\r\nX: ${"x".repeat(100_000)}` },
  {
    name: "an upgrade without a key",
    text: "GET /monitor HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
  },
  {
    name: "a foreign upgrade",
    text: "GET /monitor HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
  },
])("$name ends the connection, not the server", async ({ text }) => {
  const { port } = await rig.serve();
  const { socket } = await rig.raw(port, text);
  await ended(socket);
  const agent = await Peer.shake(port);
  expect(await agent.frame(0)).toBe('{"version":1}');
});

test("unmasked frames and reserved bits are protocol errors", async () => {
  const { port } = await rig.serve();
  const { socket, heard } = await rig.raw(port, UPGRADE);
  await until("upgraded", () => (heard().includes("101") ? true : null));
  socket.write(Buffer.from([0xf1, 0x02, 0x7b, 0x7d]));
  await ended(socket);
  expect(rig.events).toEqual([]);
});

test("an abrupt end is noticed once", async () => {
  const { port } = await rig.serve();
  const peer = await Peer.shake(port);
  await peer.frame(0);
  peer.ws.terminate();
  await rig.event("closed");
  expect(rig.events.filter((line) => line.startsWith("closed"))).toHaveLength(1);
});
