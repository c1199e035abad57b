// wss with real certificates: who gets in, who is refused and how both sides say so, how files are renewed.
import fs from "node:fs";
import tls from "node:tls";
import { type Pair, TestCa } from "@selfscale/test-certificates";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { LinkRig, ended } from "../testing/link-rig.ts";
import { Peer } from "../testing/peer.ts";
import { TlsFolder } from "../testing/tls-folder.ts";
import { until } from "../testing/until.ts";
import { type Auth, openToAll } from "./auth.ts";

const V1 = '{"min":1,"max":1}\n';
const auth: Auth = { admits: (header) => header === "Bearer secret" };

let folder: TlsFolder;
let other: TestCa;
let agent: Pair;
let rig: LinkRig;

beforeAll(async () => {
  folder = await TlsFolder.make();
  other = await TestCa.make("somebody else");
  agent = await folder.agents.issue("agent", { use: "client" });
});
afterAll(() => folder.remove());
beforeEach(() => {
  rig = new LinkRig();
  rig.tlsFiles = folder.files;
});
afterEach(() => rig.stop());

/** The side of an agent that trusts our CA and shows this certificate. */
const showing = (pair: Pair | null) => ({ ca: folder.monitors.cert, ...pair });
const warnings = () => rig.logged.filter((line) => line["level"] === 40).map(({ msg }) => msg);

test("an agent with the token and a certificate speaks as over ws", async () => {
  const { port, server } = await rig.serve({}, auth);
  const peer = await Peer.shake(port, V1, "secret", showing(agent));
  expect(await peer.frame(0)).toBe('{"version":1}');
  peer.ws.send("hello");
  expect(await peer.frame(1)).toBe("echo hello");
  expect(server.counts()).toMatchObject({ opened: 1, unauthorized: 0, failedHandshakes: 0 });
});

test("without a client CA the token is enough, and is still asked for", async () => {
  rig.tlsFiles = { ...folder.files, clientCa: null };
  const { port } = await rig.serve({}, auth);
  const peer = await Peer.shake(port, V1, "secret", showing(null));
  expect(await peer.frame(0)).toBe('{"version":1}');
  expect(await new Peer(port, { tls: showing(null) }).refusal()).toBe(401);
});

describe("a client certificate", () => {
  const strangers: readonly {
    name: string;
    pair: () => Promise<Pair | null>;
    problem: string;
  }[] = [
    {
      name: "none",
      pair: () => Promise.resolve(null),
      problem: "connection without a client certificate",
    },
    {
      name: "of another CA",
      pair: () => other.issue("agent", { use: "client" }),
      problem: "client certificate refused: UNABLE_TO_VERIFY_LEAF_SIGNATURE",
    },
    {
      name: "that has expired",
      pair: () => folder.agents.issue("agent", { use: "client", isExpired: true }),
      problem: "client certificate refused: CERT_HAS_EXPIRED",
    },
    {
      name: "that is a monitor's",
      pair: () => folder.agents.issue("vm", { use: "server" }),
      problem: "client certificate refused: INVALID_PURPOSE",
    },
  ];
  test.for(strangers)("$name is refused with 401 and a reason in the log", async (stranger) => {
    const { port, server } = await rig.serve({}, openToAll);
    const peer = new Peer(port, { tls: showing(await stranger.pair()) });
    expect(await peer.refusal()).toBe(401);
    expect(server.counts()).toMatchObject({ opened: 0, unauthorized: 1, failedHandshakes: 0 });
    expect(warnings()).toEqual([stranger.problem]);
  });

  test("without the token is not enough where both are asked for", async () => {
    const { port } = await rig.serve({}, auth);
    expect(await new Peer(port, { tls: showing(agent) }).refusal()).toBe(401);
    expect(warnings()).toEqual(["connection without the token"]);
  });

  test.for(["TLSv1.2", "TLSv1.3"] as const)("is asked for anew, %s", async (maxVersion) => {
    const { port } = await rig.serve();
    let session: Buffer | undefined;
    const isReused = async () => {
      const socket = tls.connect({
        host: "127.0.0.1",
        port,
        ...showing(agent),
        maxVersion,
        session,
      });
      let reused: boolean | null = null;
      socket.on("secureConnect", () => (reused = socket.isSessionReused()));
      socket.on("session", (kept) => (session = kept));
      socket.on("data", () => undefined);
      socket.on("error", () => undefined);
      socket.write("GET / HTTP/1.1\r\nHost: vm\r\n\r\n");
      await ended(socket);
      return reused;
    };
    expect(await isReused()).toBe(false);
    expect(await isReused()).toBe(false);
  });
});

test.for<{ name: string; options: () => tls.ConnectionOptions; code: string }>([
  {
    name: "trusts another CA",
    options: () => ({ ca: other.cert }),
    code: "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  },
  {
    name: "wants another host",
    options: () => ({ ca: folder.monitors.cert, servername: "another.example" }),
    code: "ERR_TLS_CERT_ALTNAME_INVALID",
  },
])("an agent that $name leaves, and the monitor says so", async ({ options, code }) => {
  const { port, server } = await rig.serve();
  const peer = new Peer(port, { tls: options() });
  await until("the agent's problem", () => peer.problem);
  expect(peer.problem?.code).toBe(code);
  await until("a count", () => (server.counts().failedHandshakes === 1 ? true : null));
  expect(warnings()).toEqual(["the peer left before the handshake was done"]);
});

test("an agent that knows only TLS 1.1 is told no", async () => {
  const { port, server } = await rig.serve();
  const old = {
    maxVersion: "TLSv1.1",
    minVersion: "TLSv1",
    ciphers: "DEFAULT@SECLEVEL=0",
  } as const;
  const peer = new Peer(port, { tls: { ...showing(agent), ...old } });
  await until("the agent's problem", () => peer.problem);
  expect(peer.problem?.message).toContain("alert protocol version");
  expect(server.counts()).toMatchObject({ failedHandshakes: 1 });
  expect(warnings()).toEqual(["no handshake (ERR_SSL_UNSUPPORTED_PROTOCOL)"]);
});

test("unfinished TLS handshakes end after their time, and are few", async () => {
  const { port, server } = await rig.serve({ handshakeMs: 50, maxPending: 2 });
  const silent = [
    await rig.raw(port),
    await rig.raw(port, "\x16\x03\x01\x02"),
    await rig.raw(port),
  ];
  for (const { socket } of silent) await ended(socket);
  expect(server.counts().failedHandshakes).toBe(3);
});

describe("renewal", () => {
  /** What the monitor shows to somebody who connects now. */
  const shown = async (port: number) => {
    const peer = await Peer.shake(port, V1, undefined, showing(agent));
    await peer.frame(0);
    const { serialNumber } = (
      peer.ws as unknown as { _socket: tls.TLSSocket }
    )._socket.getPeerCertificate();
    return serialNumber;
  };
  afterEach(async () => folder.write(await folder.issueServer(), folder.agents.cert));

  test("a new certificate is served without a restart", async () => {
    const { port } = await rig.serve();
    const before = await shown(port);
    folder.write(await folder.issueServer(), folder.agents.cert);
    expect(await shown(port)).toBe(before); // the files were looked at a moment ago
    rig.now += 5_000;
    expect(await shown(port)).not.toBe(before);
    expect(rig.logged.map(({ msg }) => msg)).toContain("the TLS files changed and are in use");
  });

  test("a broken file leaves the old ones in use, and is said once", async () => {
    const { port } = await rig.serve();
    const before = await shown(port);
    fs.writeFileSync(folder.files.key, "half a k");
    for (let round = 0; round < 3; round++) {
      rig.now += 5_000;
      expect(await shown(port)).toBe(before);
    }
    const told = rig.logged.filter(({ msg }) => msg.includes("the old ones stay"));
    expect(told).toMatchObject([{ problem: expect.stringContaining("monitor.key") as unknown }]);
  });

  test("another client CA counts for the next connection", async () => {
    const { port } = await rig.serve();
    await shown(port);
    folder.write(await folder.issueServer(), other.cert);
    rig.now += 5_000;
    expect(await new Peer(port, { tls: showing(agent) }).refusal()).toBe(401);
  });
});
