// The websocket server against real websockets and sockets on loopback: handshake, takeover, authentication.
import net from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ended, LinkRig } from "../testing/link-rig.ts";
import { Peer } from "../testing/peer.ts";
import { type Auth, openToAll } from "./auth.ts";

const V1 = '{"min":1,"max":1}\n';
let rig: LinkRig;

beforeEach(() => {
  rig = new LinkRig();
});
afterEach(() => rig.stop());

describe("handshake", () => {
  test.for([
    { name: "a deployed agent", range: V1, reply: '{"version":1}', opened: "opened 1 v1" },
    {
      name: "ours",
      range: '{"min":1,"max":2,"features":["size-report","from-next-year"]}',
      reply: '{"version":2,"vm":"12345678-9abc-4def-8123-456789abcdef","features":["size-report"]}',
      opened: "opened 1 v2",
    },
    {
      name: "one of the future",
      range: '{"min":1,"max":9}',
      reply: '{"version":2,"vm":"12345678-9abc-4def-8123-456789abcdef"}',
      opened: "opened 1 v2",
    },
  ])("$name", async ({ range, reply, opened }) => {
    const { port } = await rig.serve();
    const peer = await Peer.shake(port, range);
    expect(await peer.frame(0)).toBe(reply);
    expect(peer.ws.extensions).toBe("");
    expect(peer.ws.protocol).toBe("");
    expect(rig.events).toEqual([opened]);
    peer.ws.send("hello");
    expect(await peer.frame(1)).toBe("echo hello");
  });

  test.for([
    { name: "no overlap", range: '{"min":3,"max":4}', error: "no common version: 1-2 and 3-4" },
    { name: "not JSON", range: "hello", error: "bad range: frame is not JSON" },
    { name: "turned around", range: '{"min":2,"max":1}', error: "bad range: min is above max" },
    { name: "array", range: "[1,2]", error: "bad range: frame is not a JSON object" },
  ])("refuses: $name", async ({ range, error }) => {
    const { port, server } = await rig.serve();
    const peer = await Peer.shake(port, range);
    expect(JSON.parse(await peer.frame(0))).toEqual({ error });
    expect(await peer.closing()).toMatchObject({ code: 1002 });
    expect(rig.events).toEqual([]);
    expect(server.counts()).toMatchObject({ opened: 0, failedHandshakes: 1 });
  });

  test("a websocket that never sends its range is dropped, and so is a silent TCP connection", async () => {
    const { port, server } = await rig.serve({ handshakeMs: 50 });
    const peer = await new Peer(port).open();
    const { socket } = await rig.raw(port);
    expect(await peer.closing()).toMatchObject({ code: 1006 });
    await ended(socket);
    expect(server.counts().failedHandshakes).toBe(2);
  });

  test("the 17th unfinished handshake pushes the first out; an agent still gets in", async () => {
    const { port } = await rig.serve({ handshakeMs: 60_000 });
    const silent = [];
    for (let i = 0; i < 17; i++) silent.push((await rig.raw(port)).socket);
    await ended(silent[0] as net.Socket);
    expect(silent.filter((socket) => socket.destroyed)).toHaveLength(1);
    const agent = await Peer.shake(port);
    expect(await agent.frame(0)).toBe('{"version":1}');
  });

  test("who floods pushes out their own connections, not those of another address", async () => {
    const { port, server } = await rig.serve({ handshakeMs: 60_000 });
    const agent = await new Peer(port).open();
    const flood = [];
    for (let i = 0; i < 40; i++) flood.push((await rig.raw(port, "", "127.0.0.2")).socket);
    await Promise.all(flood.slice(0, 25).map(ended));
    expect(server.unfinished()).toBe(16);
    agent.ws.send(V1);
    expect(await agent.frame(0)).toBe('{"version":1}');
  });

  test("finished handshakes do not count among the unfinished", async () => {
    const { port } = await rig.serve({ maxPending: 1, handshakeMs: 60_000 });
    const agent = await Peer.shake(port);
    await agent.frame(0);
    const { socket } = await rig.raw(port);
    agent.ws.send("still here");
    expect(await agent.frame(1)).toBe("echo still here");
    expect(socket.destroyed).toBe(false);
  });
});

describe("takeover", () => {
  test("a new connection replaces the old one once its range is valid", async () => {
    const { port } = await rig.serve();
    const first = await Peer.shake(port);
    await first.frame(0);
    const second = await new Peer(port).open();
    first.ws.send("mine still");
    expect(await first.frame(1)).toBe("echo mine still");
    second.ws.send(V1);
    expect(await second.frame(0)).toBe('{"version":1}');
    expect(await first.closing()).toEqual({ code: 4000, reason: "replaced by a new connection" });
    expect(rig.events).toEqual([
      "opened 1 v1",
      "frame 1 mine still",
      "closed 1 replaced by a new connection",
      "opened 2 v1",
    ]);
  });

  test("a bad range displaces nobody", async () => {
    const { port } = await rig.serve();
    const first = await Peer.shake(port);
    await first.frame(0);
    const second = await Peer.shake(port, '{"min":7,"max":8}');
    await second.closing();
    first.ws.send("hello");
    expect(await first.frame(1)).toBe("echo hello");
  });

  test("takeovers draw on a bucket, and an agent gets in again when a token is back", async () => {
    const { port, server } = await rig.serve({ takeoverTokens: 2, takeoverRefillEveryMs: 2000 });
    const peers = [];
    for (let i = 0; i < 3; i++) {
      const peer = await Peer.shake(port);
      await peer.frame(0);
      peers.push(peer);
    }
    const slowed = await Peer.shake(port);
    expect(await slowed.closing()).toMatchObject({ code: 1013 });
    expect(slowed.frames).toEqual([]);
    expect(peers[2]?.closed).toBeNull();
    rig.now = 2000;
    const back = await Peer.shake(port);
    expect(await back.frame(0)).toBe('{"version":1}');
    expect(server.counts()).toMatchObject({ opened: 4, takeovers: 3, slowed: 1 });
  });

  test("without an open link no token is needed", async () => {
    const { port } = await rig.serve({ takeoverTokens: 0 });
    for (let round = 1; round <= 3; round++) {
      const peer = await Peer.shake(port);
      await peer.frame(0);
      peer.ws.terminate();
      await rig.event(`closed ${round}`);
    }
  });
});

describe("authentication", () => {
  const auth: Auth = { admits: (header) => header === "Bearer secret" };

  test.for([
    { name: "no token", headers: {} },
    { name: "a wrong one", headers: { Authorization: "Bearer wrong" } },
  ])("refuses $name with 401", async ({ headers }) => {
    const { port, server } = await rig.serve({}, auth);
    expect(await new Peer(port, { headers }).refusal()).toBe(401);
    expect(server.counts().unauthorized).toBe(1);
  });

  test("who can't show the token displaces nobody", async () => {
    const { port } = await rig.serve({}, auth);
    const agent = await Peer.shake(port, V1, "secret");
    await agent.frame(0);
    await new Peer(port).refusal();
    agent.ws.send("hello");
    expect(await agent.frame(1)).toBe("echo hello");
  });
});

test("stopping says 1001, ends everything and frees the port", async () => {
  const { port, server } = await rig.serve();
  const peer = await Peer.shake(port);
  await peer.frame(0);
  const { socket } = await rig.raw(port);
  await server.stop();
  expect(await peer.closing()).toEqual({ code: 1001, reason: "monitor is stopping" });
  await ended(socket);
  expect(rig.events.at(-1)).toBe("closed 1 monitor is stopping");
  const again = net.createServer();
  await new Promise<void>((resolve, reject) => {
    again.once("error", reject);
    again.listen(port, "127.0.0.1", resolve);
  });
  again.close();
});

test("an address in use is an error of listen", async () => {
  const { port } = await rig.serve();
  await expect(rig.serve({}, openToAll, port)).rejects.toMatchObject({ code: "EADDRINUSE" });
});
