// Reservations over the socket, from a real monitor on a pretended machine, with an agent that grows it.
import fs from "node:fs";
import http from "node:http";
import net from "node:net";
import path from "node:path";
import { encodeFromAgent } from "@selfscale/protocol";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { pino } from "pino";
import { loadConfig } from "../config/load.ts";
import { Monitor } from "../monitor.ts";
import { GrowingAgent } from "../testing/growing-agent.ts";
import { FakeMachine } from "../testing/machine.ts";
import { Peer } from "../testing/peer.ts";
import { until } from "../testing/until.ts";
import { fetchText, open, textOf } from "./client.ts";
import { type ReservationsView } from "./views.ts";

const MIB = 1024 ** 2;

let machine: FakeMachine;
let monitor: Monitor;
let socket = "";
let port = 0;
let crashes = 0;

beforeEach(async () => {
  machine = new FakeMachine();
  crashes = 0;
  socket = path.join(machine.dir, "run", "monitor.sock");
  await startMonitor();
  await until("it has measured", () => monitor.status().monitor.memory.needBytes);
});

async function startMonitor(): Promise<void> {
  const file = {
    listen: "127.0.0.1:0",
    metricsListen: "127.0.0.1:0",
    status: socket,
    preset: "demo",
  };
  const config = await loadConfig(null, file);
  const log = pino({ level: "silent" });
  monitor = new Monitor(config, { roots: machine.roots, log, onCrash: () => crashes++ });
  ({ port } = await monitor.start());
}

/** What is written down is the same when it is killed: nothing is written when it stops. */
async function startAnew(): Promise<void> {
  await monitor.stop();
  await startMonitor();
}

afterEach(async () => {
  await monitor.stop();
  machine.remove();
  expect(crashes).toBe(0);
});

type Answer = Readonly<{ status: number; body: Record<string, unknown> }>;

async function call(method: string, url: string, body?: string | object): Promise<Answer> {
  const text = typeof body === "object" ? JSON.stringify(body) : (body ?? "");
  const response = await open(socket, { method, path: url }, { body: text, timeoutMs: 20_000 });
  const said = await textOf(response);
  return { status: response.statusCode ?? 0, body: JSON.parse(said) as Answer["body"] };
}

const reserve = (wish: object | string) => call("POST", "/reservations", wish);

async function active(): Promise<ReservationsView["active"]> {
  return (JSON.parse(await fetchText(socket, "/reservations")) as ReservationsView).active;
}

const untilActive = (count: number) =>
  until(`${count} reservations are active`, async () => {
    const rows = await active();
    return rows.length === count ? rows : null;
  });

/** A request of its own whose end the test decides. */
function begin(wish: object): http.ClientRequest {
  const request = http.request({ socketPath: socket, method: "POST", path: "/reservations" });
  request.on("error", () => {}); // the test cuts it off
  request.end(JSON.stringify(wish));
  return request;
}

describe("POST /reservations", () => {
  test("waits until the memory is there, is kept when the connection has ended, and is released", async () => {
    await GrowingAgent.connect(port, machine);
    const wish = { memory: "700Mi", wait: "20s", hold: "1h", owner: "anna", reason: "index" };
    const { status, body } = await reserve(wish);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      state: "granted",
      reason: "there",
      text: "700 MiB can be used",
      granted: { memBytes: 700 * MIB, milliCpu: 0 },
    });
    const [row] = await active();
    expect(row).toMatchObject({
      id: body["id"],
      ...{ door: "http", owner: "anna", reason: "index", state: "granted", waitLeftMs: null },
    });
    expect(row?.holdLeftMs).toBeGreaterThan(3_500_000);
    const status2 = JSON.parse(await fetchText(socket, "/status")) as {
      monitor: { reason: string; ladder: { actual: { memBytes: number } } };
    };
    expect(status2.monitor.reason).toBe("reservation");
    const url = `/reservations/${String(body["id"])}`;
    expect(await call("DELETE", url)).toEqual({
      status: 200,
      body: { id: body["id"], state: "ended" },
    });
    expect((await call("DELETE", url)).status).toBe(404);
    expect(await active()).toEqual([]);
  });

  test("what is there already is granted at once, whether an agent is there or not", async () => {
    expect(await reserve({ memory: 50 * MIB, cpu: 1, wait: "0s" })).toMatchObject({ status: 200 });
  });

  test("its hold counts from the grant, and ends it", async () => {
    await reserve({ memory: "10Mi", hold: "50ms" });
    await untilActive(0);
  });

  test("more than the operator allows is refused at once", async () => {
    await GrowingAgent.connect(port, machine);
    await until("the bounds are known", () =>
      monitor.status().monitor.bounds === null ? null : true,
    );
    const { status, body } = await reserve({ memory: "9Gi" });
    expect(status).toBe(409);
    expect(body).toMatchObject({ state: "refused", reason: "bounds", granted: null });
  });

  test("a full node: waits, then is refused, or goes on with what is there", async () => {
    const agent = await GrowingAgent.connect(port, machine);
    agent.isFull = true;
    agent.report();
    await until("it is known", () => monitor.status().monitor.agentReason);
    const wish = { memory: "700Mi", wait: "200ms" };
    expect(await reserve(wish)).toMatchObject({
      status: 503,
      body: { state: "refused", reason: "node-full" },
    });
    expect(await reserve({ ...wish, ifNotGranted: "proceed" })).toMatchObject({
      status: 200,
      body: { state: "granted", reason: "proceeded" },
    });
  });

  test("hanging up before the grant gives it up", async () => {
    const request = begin({ memory: "700Mi", wait: "1h" });
    const [row] = await untilActive(1);
    expect(row).toMatchObject({ state: "waiting", answer: { reason: "no-agent" } });
    request.destroy();
    await untilActive(0);
  });

  test("given up by somebody else while it waits", async () => {
    const asked = reserve({ memory: "700Mi", wait: "1h" });
    const [row] = await untilActive(1);
    await call("DELETE", `/reservations/${row?.id ?? ""}`);
    expect(await asked).toMatchObject({
      status: 410,
      body: { state: "ended", reason: "cancelled" },
    });
  });

  test("bound to the connection: it ends with it", async () => {
    const body = JSON.stringify({ memory: "10Mi", bound: true });
    const post = { method: "POST", path: "/reservations" };
    const response = await open(socket, post, { body, timeoutMs: 20_000 });
    expect(response.statusCode).toBe(200);
    expect(await untilActive(1)).toMatchObject([{ holdLeftMs: null }]);
    response.destroy();
    await untilActive(0);
  });

  test("bound, and its hold is over: the last line says so", async () => {
    const body = JSON.stringify({ memory: "10Mi", bound: true, hold: "50ms" });
    const post = { method: "POST", path: "/reservations" };
    const text = await textOf(await open(socket, post, { body, timeoutMs: 20_000 }));
    const states = text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { state: string });
    expect(states.map(({ state }) => state)).toEqual(["granted", "ended"]);
    expect(await active()).toEqual([]);
  });

  test("too many: 429, and nobody else is harmed", async () => {
    const wish = { memory: "1Mi", hold: "1h" };
    const statuses = [];
    for (let i = 0; i < 50; i += 1) statuses.push((await reserve(wish)).status);
    expect(statuses.filter((status) => status === 429)).toHaveLength(2);
    expect((await reserve({ ...wish, owner: "ben" })).status).toBe(200);
    expect((await reserve({ ...wish, door: "command" })).status).toBe(200);
  });
});

describe("a monitor that is started anew", () => {
  const granted = () => `${socket}.granted`;

  test("keeps what stands alone until its time or somebody's word, and writes nothing down when there is nothing", async () => {
    const asked = await reserve({ memory: "10Mi", hold: "1h", owner: "anna", reason: "index" });
    await startAnew();
    await startAnew();
    const [row] = await active();
    expect(row).toMatchObject({
      ...{ id: asked.body["id"], door: "http", owner: "anna", reason: "index" },
      ...{ state: "granted", answer: { reason: "found", granted: { memBytes: 10 * MIB } } },
    });
    expect(row?.holdLeftMs).toBeGreaterThan(3_500_000);
    expect(row?.holdLeftMs).toBeLessThan(3_600_000);
    expect(fs.statSync(granted()).mode & 0o777).toBe(0o600);
    expect((await call("DELETE", `/reservations/${row?.id ?? ""}`)).status).toBe(200);
    expect(fs.existsSync(granted())).toBe(false);
    await startAnew();
    expect(await active()).toEqual([]);
  });

  test("refuses an agent that asks for it with its first word, and counts no use of it twice", async () => {
    const agent = await GrowingAgent.connect(port, machine);
    expect((await reserve({ memory: "700Mi", owner: "anna", reason: "index" })).status).toBe(200);
    const { floor } = monitor.status().monitor.reservations;
    machine.set({ anonBytes: 500 * MIB, availableBytes: 300 * MIB });
    agent.peer.ws.terminate();
    await startAnew();
    const peer = await Peer.shake(port, '{"min":1,"max":2,"features":["size-report"]}');
    const target = { cpu: 1, mem: 512 * MIB };
    peer.ws.send(encodeFromAgent({ type: "DownscaleRequest", content: { target }, id: 2 }));
    const said = await until("it answers", () => {
      const frame = peer.frames.find((text) => text.includes("DownscaleResult"));
      return frame ?? null;
    });
    expect(JSON.parse(said)).toMatchObject({
      Ok: false,
      Status: "700 MiB reserved by anna (index)",
    });
    expect(monitor.status().monitor.reservations.floor).toEqual(floor);
  });

  test("knows nothing of what still waited, and of what was granted on another boot", async () => {
    const waiting = reserve({ memory: "700Mi", wait: "1h" }).catch(() => "cut off");
    await untilActive(1);
    await startAnew();
    expect(await waiting).toBe("cut off");
    expect(await active()).toEqual([]);
    await reserve({ memory: "10Mi", hold: "1h" });
    machine.write("proc/sys/kernel/random/boot_id", "91838a16-da6c-4d5c-ada2-24de8e101159\n");
    await startAnew();
    expect(await active()).toEqual([]);
  });

  test("gives a bound one to who asks again with its id, as one reservation, and to nobody while somebody has it", async () => {
    const bind = (more: object) => {
      const body = JSON.stringify({ memory: "10Mi", bound: true, ...more });
      return open(socket, { method: "POST", path: "/reservations" }, { body, timeoutMs: 20_000 });
    };
    const first = await bind({});
    first.on("error", () => {}); // cut off by the restart
    first.resume();
    const [row] = await untilActive(1);
    const id = row?.id ?? "";
    await startAnew();
    expect(await active()).toMatchObject([{ id, state: "granted" }]);
    const again = await bind({ id });
    expect(again.statusCode).toBe(200);
    expect(await active()).toMatchObject([{ id, holdLeftMs: null }]);
    const third = await bind({ id });
    expect([third.statusCode, JSON.parse(await textOf(third))]).toEqual([
      409,
      { error: "this reservation has whoever holds it already" },
    ]);
    expect(await active()).toHaveLength(1);
    again.destroy();
    await untilActive(0);
  });

  test("takes one that it does not know as a new one: its half minute may be over", async () => {
    const id = "http-b4f0ea22-7121-41ab-a3f8-838ef834ed13";
    const body = JSON.stringify({ memory: "10Mi", bound: true, id });
    const post = { method: "POST", path: "/reservations" };
    const response = await open(socket, post, { body, timeoutMs: 20_000 });
    expect(await untilActive(1)).toMatchObject([{ id, state: "granted", holdLeftMs: null }]);
    response.destroy();
    await untilActive(0);
  });
});

test.for<[string | object, string]>([
  [{ cpu: 1, id: "http-b4f0ea22-7121-41ab-a3f8-838ef834ed13" }, "id: only what is bound"],
  [{ cpu: 1, bound: true, id: "http-1" }, 'id: "http-1" is not accepted: expected an id that was'],
  [
    { cpu: 1, bound: true, id: "command-b4f0ea22-7121-41ab-a3f8-838ef834ed13" },
    "is not accepted: expected an id that was answered",
  ],
  ["", "not JSON"],
  ["[1]", "[1]: expected an object"],
  ["null", "null: expected an object"],
  [{}, "neither memory nor cpu is asked for"],
  [{ memory: 0, cpu: 0 }, "neither memory nor cpu is asked for"],
  [{ memory: "12 bananas" }, 'memory: "12 bananas" is not accepted: expected an integer of bytes'],
  [{ memory: "-1Gi" }, 'memory: "-1Gi" is not accepted'],
  [{ memory: null }, "memory: null is not accepted"],
  [{ memory: 2 ** 60 }, "memory: 1152921504606847000 is not accepted"],
  [{ cpu: "2" }, 'cpu: "2" is not accepted: expected a number of vCPUs'],
  [{ cpu: -1 }, "cpu: -1 is not accepted"],
  [{ cpu: 1, wait: 30 }, "wait: 30 is not accepted: expected a number with ms, s, m, min or h"],
  [{ cpu: 1, hold: "2 days" }, 'hold: "2 days" is not accepted'],
  [{ cpu: 1, hold: "25h" }, 'hold: "25h" is not accepted'],
  [
    { cpu: 1, ifNotGranted: "maybe" },
    'ifNotGranted: "maybe" is not accepted: expected fail or proceed',
  ],
  [{ cpu: 1, owner: 7 }, "owner: 7 is not accepted"],
  [{ cpu: 1, reason: "x".repeat(5_000) }, "reason: "],
  [{ cpu: 1, bound: "yes" }, 'bound: "yes" is not accepted: expected false or true'],
  [{ cpu: 1, door: "sql" }, 'door: "sql" is not accepted: expected http or command'],
  [{ cpu: 1, cpus: 2 }, '"cpus": unknown field'],
])("a bad wish is one sentence: %j", async ([wish, problem]) => {
  const { status, body } = await reserve(wish);
  expect(status).toBe(400);
  expect(body["error"]).toContain(problem);
  expect(await active()).toEqual([]);
});

test.for<[string, string, number]>([
  ["GET", "/", 404],
  ["GET", "//", 404],
  ["GET", "/reservations/x/y", 404],
  ["GET", "/constructor", 404],
  ["GET", "/status/", 200],
  ["DELETE", "/reservations/unknown", 404],
  ["DELETE", "/reservations", 405],
  ["GET", "/reservations/x", 405],
  ["POST", "/status", 405],
  ["GET", "/explain?why", 200],
])("%s %s: %i", async ([method, url, status]) => {
  expect((await call(method, url)).status).toBe(status);
});

test("a body that is too long is refused before it has come in", async () => {
  const { status, body } = await reserve(`{"reason":"${"x".repeat(20_000)}"}`);
  expect(status).toBe(413);
  expect(body["error"]).toBe("a body has at most 16384 bytes");
});

/** Says something and never the rest; resolves with what came once it is cut off. */
function dawdle(text: string): Promise<string> {
  return new Promise((resolve) => {
    const peer = net.connect(socket, () => peer.write(text));
    let said = "";
    peer.on("data", (data) => (said += data.toString()));
    peer.on("error", () => {}); // cut off is what is expected
    peer.on("close", () => resolve(said));
  });
}

test(
  "who never finishes a request is cut off, and leaves nothing",
  { timeout: 20_000 },
  async () => {
    const head = "POST /reservations HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n";
    const said = await Promise.all([dawdle(""), dawdle(head), dawdle(`${head}\r\n{"memory":`)]);
    expect(said.at(-1)).toContain("408 Request Timeout");
    expect(await active()).toEqual([]);
  },
);

test("GET /explain says it in sentences", async () => {
  await GrowingAgent.connect(port, machine);
  await reserve({ memory: "700Mi", owner: "anna", reason: "index" });
  const text = await until("it has it", async () => {
    const { explanation } = JSON.parse(await fetchText(socket, "/explain")) as {
      explanation: string[];
    };
    const said = explanation.join("\n");
    return said.includes("which is what it wants") ? said : null;
  });
  expect(text).toContain("because of 700 MiB reserved by anna (index)");
  expect(text).toContain("Reserved: 700 MiB for anna (index), for 10 min more.");
});
