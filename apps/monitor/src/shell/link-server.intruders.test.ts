// Whoever can't prove who they are can neither displace the connected agent, nor hear it, nor keep it waiting.
import net from "node:net";
import tls from "node:tls";
import { type Pair } from "@selfscale/test-certificates";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { LinkRig } from "../testing/link-rig.ts";
import { Peer } from "../testing/peer.ts";
import { TlsFolder } from "../testing/tls-folder.ts";
import { until } from "../testing/until.ts";
import { type Auth } from "./auth.ts";

// A busy machine is slow, not wrong.
vi.setConfig({ testTimeout: 30_000 });

const V1 = '{"min":1,"max":1}\n';
const auth: Auth = { admits: (header) => header === "Bearer secret" };
const UPGRADE =
  "GET /monitor HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
const WRONG_TOKEN = "Authorization: Bearer wrong\r\n";
const FLOOD = 200;
const COME_BACK_WITHIN_MS = 25_000;

let folder: TlsFolder;
let pair: Pair;
let foreign: Pair;
let rig: LinkRig;
const sockets: net.Socket[] = [];

beforeAll(async () => {
  folder = await TlsFolder.make();
  pair = await folder.agents.issue("agent", { use: "client" });
  foreign = await folder.monitors.issue("agent", { use: "client" });
});
afterAll(() => folder.remove());
beforeEach(() => {
  rig = new LinkRig();
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await rig.stop();
});

/** All that a stranger may hear, by its first bytes: an HTTP status, a TLS alert, nothing. */
const REFUSALS = ["HTTP/1.1 401", "HTTP/1.1 426", "\x15\x03\x01\x00\x02\x02\x46", ""];

/** How a stranger knocks: a connection, what is said on it, all that was heard. */
type Stranger = Readonly<{ socket: net.Socket; heard: () => string }>;

function knock(socket: net.Socket, text: string): Stranger {
  let heard = "";
  socket.on("data", (data) => (heard += data.toString("latin1")));
  socket.on("error", () => undefined); // refused or reset, as it should be
  socket.write(text);
  sockets.push(socket);
  return { socket, heard: () => heard };
}

const plain = (text: string) => (port: number, localAddress: string) =>
  knock(net.connect({ host: "127.0.0.1", port, localAddress }), text);
const overTls = (text: string, shown: () => Pair | null) => (port: number, localAddress: string) =>
  knock(
    tls.connect({
      socket: net.connect({ host: "127.0.0.1", port, localAddress }),
      rejectUnauthorized: false, // whom it speaks to does not matter to an intruder
      ...shown(),
    }),
    text,
  );

/** Dials until it is answered, as agents do: on a busy machine a handshake may take longer than it is given. */
async function comeBack(port: number, shown: Pair | undefined): Promise<Peer> {
  const dial = () => {
    const peer = new Peer(port, {
      headers: { Authorization: "Bearer secret" },
      ...(shown !== undefined && { tls: shown }),
    });
    peer.ws.once("open", () => peer.ws.send(V1));
    return peer;
  };
  let peer = dial();
  return await until(
    "the agent is back",
    () => {
      if (peer.frames.length > 0) return peer;
      if (peer.closed !== null) peer = dial();
      return null;
    },
    COME_BACK_WITHIN_MS,
  );
}

describe.for([
  {
    name: "ws with a token",
    isTls: false,
    intruders: {
      "without a token": plain(`${UPGRADE}\r\n`),
      "with a wrong token": plain(`${UPGRADE}${WRONG_TOKEN}\r\n`),
      "with half a request": plain(UPGRADE),
      "with a plain request": plain("GET /monitor HTTP/1.1\r\nHost: x\r\n\r\n"),
      "with nothing to say": plain(""),
    },
  },
  {
    name: "wss with a token and client certificates",
    isTls: true,
    intruders: {
      "without a certificate": overTls(`${UPGRADE}\r\n`, () => null),
      "with a certificate and no token": overTls(`${UPGRADE}\r\n`, () => pair),
      "with another CA's certificate": overTls(`${UPGRADE}${WRONG_TOKEN}\r\n`, () => foreign),
      "with half a request": overTls(UPGRADE, () => null),
      "without TLS": plain(`${UPGRADE}\r\n`),
      "with half a TLS handshake": plain("\x16\x03\x01\x02\x00\x01\x00\x01"),
      "with nothing to say": plain(""),
    },
  },
])("$name", ({ isTls, intruders }) => {
  const shown = () => (isTls ? { ca: folder.monitors.cert, ...pair } : undefined);
  const serve = async () => {
    rig.tlsFiles = isTls ? folder.files : null;
    const { server, port } = await rig.serve({}, auth);
    const agent = await Peer.shake(port, V1, "secret", shown());
    await agent.frame(0);
    return { server, port, agent };
  };
  /** Says something and hears the answer: the link lives, and it is still the first. */
  const converse = async (agent: Peer, index: number) => {
    agent.ws.send(`private ${index}`);
    expect(await agent.frame(index)).toBe(`echo private ${index}`);
  };

  test.for(Object.entries(intruders))("a flood %s", async ([, intrude]) => {
    const { server, port, agent } = await serve();
    const strangers: Stranger[] = [];
    for (let index = 1; index <= FLOOD; index++) {
      strangers.push(intrude(port, "127.0.0.1"));
      if (index % 50 === 0) await converse(agent, index / 50);
      expect(server.unfinished()).toBeLessThanOrEqual(16);
    }
    // All but the last few, which have their time yet, were ended.
    await until("the flood is over", () => {
      const open = strangers.filter(({ socket }) => !socket.destroyed).length;
      return open <= 16 && server.unfinished() <= 16 ? true : null;
    });
    await converse(agent, FLOOD / 50 + 1);
    for (const { heard } of strangers) expect(REFUSALS).toContain(heard().slice(0, 12));
    expect(strangers.map(({ heard }) => heard()).join("")).not.toContain("private");
    expect(rig.events.filter((event) => !event.startsWith("frame"))).toEqual(["opened 1 v1"]);
    expect(server.counts()).toMatchObject({ opened: 1, takeovers: 0, slowed: 0 });
    const { unauthorized, failedHandshakes } = server.counts();
    expect(unauthorized + failedHandshakes).toBeGreaterThan(0);
    expect(rig.logged.length).toBeLessThan(10);
  });

  test("an agent that comes back while others keep knocking gets in", async () => {
    const { server, port, agent } = await serve();
    const knocks = Object.values(intruders);
    let isOver = false;
    const flood = (async () => {
      for (let index = 0; !isOver; index++) {
        // From their own address: an agent's is not the strangers'.
        knocks[index % knocks.length]?.(port, "127.0.0.2");
        // This process plays all of them: the server and the agent must get their turn.
        await new Promise((resolve) => setImmediate(resolve));
        if (sockets.length > 2 * FLOOD) for (const old of sockets.splice(0, FLOOD)) old.destroy();
      }
    })();
    try {
      await until("the flood is on", () => (server.unfinished() >= 16 ? true : null));
      agent.ws.terminate();
      await rig.event("closed 1");
      const back = await comeBack(port, shown());
      expect(back.frames).toEqual(['{"version":1}']);
      await converse(back, 1);
      expect(server.counts()).toMatchObject({ opened: 2, takeovers: 0, slowed: 0 });
    } finally {
      isOver = true;
      await flood;
    }
  });
});
