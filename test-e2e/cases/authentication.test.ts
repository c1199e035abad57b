// The two daemons over wss, as real processes: who proves who they are is served, everybody else is refused and costs
// the connected one nothing; and no secret is ever shown.
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { TestCa } from "@selfscale/test-certificates";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AgentProcess, type VmLadder } from "../harness/agent-process.ts";
import { BARE_MIB, startBareQemu } from "../harness/bare-qemu.ts";
import { makeRunDir } from "../harness/cleanup.ts";
import { MonitorProcess } from "../harness/monitor-process.ts";
import { until } from "../harness/until.ts";

const TOKENS = {
  ours: "ours-5Qm2vXk8",
  ofStranger: "strangers-Zt7Lw3Rb",
  malformed: "malformed-Hd4Np9Yc",
};
const FLOOD = 400;

let dir: string;
let qemu: Awaited<ReturnType<typeof startBareQemu>>;
let monitor: MonitorProcess;
let agent: AgentProcess;
let file: (name: string) => string;

beforeAll(async () => {
  dir = await makeRunDir();
  file = (name) => join(dir, name);
  const [monitors, agents] = [await TestCa.make("monitors"), await TestCa.make("agents")];
  const server = await monitors.issue("vm", { names: ["127.0.0.1"], use: "server" });
  const client = await agents.issue("node-7", { use: "client" });
  await mkdir(file("run"));
  const texts = {
    ...{ "monitor.crt": server.cert, "monitor.key": server.key, "agents.crt": agents.cert },
    ...{ "node.crt": client.cert, "node.key": client.key, "monitors.crt": monitors.cert },
    ...{ token: TOKENS.ours, "agent.token": TOKENS.ours },
  };
  for (const [name, text] of Object.entries(texts)) await writeFile(file(name), text);
  qemu = await startBareQemu();
  monitor = await MonitorProcess.start(file("run"), [
    ...["--tls-cert", file("monitor.crt"), "--tls-key", file("monitor.key")],
    ...["--tls-client-ca", file("agents.crt"), "--token", file("token")],
    ...["--require-auth", "--log-level", "debug"],
  ]);
  // One size and no other: the monitor looks at this machine, which nobody wants resized.
  const size = { cpu: 1, mem: `${BARE_MIB}Mi` };
  agent = await AgentProcess.start({
    node: { cpu: 4, mem: "4Gi" },
    log: { level: "debug" },
    timers: { healthCheckMs: 200, reconnectMaxMs: 500 },
    vms: [
      {
        name: "pg-1",
        qmp: qemu.qmp,
        monitor: `wss://127.0.0.1:${monitor.port}/monitor`,
        bounds: { min: size, max: size },
        memoryDevice: "none",
        token: file("agent.token"),
        tls: { ca: file("monitors.crt"), cert: file("node.crt"), key: file("node.key") },
      },
    ],
  });
});

afterAll(async () => {
  await agent.stop();
  await monitor.stop();
  qemu.kill();
  await rm(dir, { recursive: true, force: true });
});

const vm = async (): Promise<VmLadder> => await agent.vm("pg-1");
const isUp = async () => (await vm()).link.state === "up";
const links = async () => {
  const status = JSON.parse(await monitor.status("--json")) as { links: Record<string, number> };
  return status.links;
};

/** Every answer to a health check is a frame received, and nothing else comes often. */
async function answers(count: number): Promise<void> {
  const received = async () => (await vm()).counters["framesReceived"] ?? 0;
  const before = await received();
  await until(`${count} answers`, async () => (await received()) >= before + count || undefined, {
    withinMs: 15_000,
  });
}

/** Knocks as somebody does who has neither a certificate nor the token; remembers what is heard. */
class Strangers {
  readonly #sockets: Socket[] = [];
  heard = "";
  #isOver = false;
  #done: Promise<void> = Promise.resolve();

  static readonly #upgrade = [
    "GET /monitor HTTP/1.1\r\nHost: vm\r\nConnection: Upgrade\r\nUpgrade: websocket",
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    `Authorization: Bearer ${TOKENS.ofStranger}\r\n`,
  ].join("\r\n");

  /** From an address that is not the agent's, until `stop`. */
  start(port: number): void {
    this.#done = (async () => {
      for (let index = 0; !this.#isOver; index++) {
        const kinds = [this.#whole, this.#half, this.#silent];
        const socket = kinds[index % kinds.length]?.call(this, port);
        if (socket !== undefined) this.#sockets.push(socket);
        if (this.#sockets.length > FLOOD) this.#sockets.shift()?.destroy();
        if (index % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
    })();
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#done;
    for (const socket of this.#sockets) socket.destroy();
  }

  #whole(port: number): Socket {
    return this.#overTls(port, `${Strangers.#upgrade}\r\n`);
  }

  #half(port: number): Socket {
    return this.#overTls(port, Strangers.#upgrade);
  }

  #silent(port: number): Socket {
    const socket = connect({ host: "127.0.0.1", port, localAddress: "127.0.0.2" });
    socket.on("error", () => undefined); // refused or reset, as it should be
    return socket;
  }

  #overTls(port: number, text: string): Socket {
    const socket = connectTls({ socket: this.#silent(port), rejectUnauthorized: false });
    socket.on("error", () => undefined);
    socket.on("data", (data: Buffer) => (this.heard += data.toString("latin1").slice(0, 12)));
    socket.write(text);
    return socket;
  }
}

test("an agent with the token and its certificate is served", async () => {
  await until("the link is up", isUp);
  await answers(2);
  expect(await links()).toMatchObject({ opened: 1, unauthorized: 0 });
  expect((await vm()).link.version).toBe(2);
});

test("strangers in hundreds neither displace it, nor hear it, nor keep it waiting", async () => {
  const strangers = new Strangers();
  strangers.start(monitor.port);
  try {
    await until(
      "hundreds were refused",
      async () => {
        const { unauthorized = 0, failedHandshakes = 0 } = await links();
        return unauthorized > 50 && failedHandshakes > FLOOD;
      },
      { withinMs: 60_000 },
    );
    await answers(3);
    expect(await links()).toMatchObject({ opened: 1, takeovers: 0, slowed: 0 });

    await agent.killHard();
    await agent.launch();
    await until("a new agent gets in among them", isUp);
    await answers(2);
    expect((await links())["opened"]).toBe(2);
  } finally {
    await strangers.stop();
  }
  expect(new Set(strangers.heard.match(/.{12}/gs))).toEqual(new Set(["HTTP/1.1 401"]));
});

test("refusals are said by both sides, and a repaired token is enough", async () => {
  const problem = (text: string) =>
    until(`the agent says ${text}`, async () =>
      (await vm()).problems.some((one) => one.includes(text)),
    );
  const refused = (await links())["unauthorized"] ?? 0;
  await writeFile(file("agent.token"), TOKENS.ofStranger);
  await agent.killHard();
  await agent.launch();
  await problem("HTTP 401 (shown: a token, a certificate)");
  await until(
    "the monitor counts it",
    async () => ((await links())["unauthorized"] ?? 0) > refused,
  );
  await writeFile(file("agent.token"), `${TOKENS.malformed}\n${TOKENS.malformed}`);
  await problem("holds no token that can be sent");
  await writeFile(file("agent.token"), TOKENS.ours);
  await until("the link is up", isUp);
});

test("nothing that either of them shows has a secret in it", async () => {
  const shown = {
    monitorOutput: monitor.output,
    monitorMetrics: await monitor.metrics(),
    monitorStatus: await monitor.status("--json"),
    monitorTable: await monitor.status(),
    agentLog: await readFile(agent.logPath, "utf8"),
    agentStatus: JSON.stringify(await agent.status()),
  };
  // Each has something to say, or the rest proves nothing.
  for (const text of Object.values(shown)) expect(text.length).toBeGreaterThan(100);
  const saysWhy = /connection without (the token|a client certificate)/.test(shown.monitorOutput);
  expect(saysWhy, "the monitor says why it refused").toBe(true);
  expect(shown.monitorMetrics).toMatch(/selfscale_monitor_links_unauthorized_total [1-9]/);
  const secrets = [...Object.values(TOKENS), "PRIVATE KEY", ...(await keyLines())];
  for (const [name, text] of Object.entries(shown)) {
    for (const secret of secrets) expect(text.includes(secret), `${name}: ${secret}`).toBe(false);
  }
});

/** The keys themselves, line by line. */
async function keyLines(): Promise<readonly string[]> {
  const pems = await Promise.all(["monitor.key", "node.key"].map((name) => readFile(file(name))));
  return pems
    .flatMap((pem) => pem.toString().split("\n"))
    .filter((line) => /^[^-]{10,}$/.test(line));
}
