// A real guest that is made smaller while its memory is in use, because its monitor agrees to everything. Ours would refuse:
// here the last line of defence is tried, which is the agent's.
import { once } from "node:events";
import { type AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import { AgentProcess } from "../harness/agent-process.ts";
import { guestView } from "../harness/guest-view.ts";
import { type Guest, startGuest } from "../harness/guest.ts";
import { entryFor } from "../harness/stack.ts";
import { MIB, Truth, type TrueSize } from "../harness/truth.ts";
import { until } from "../harness/until.ts";

const SLICE_MIB = 256;
const GROWN_MIB = 1536;
const WISHED_MIB = 512;
const USED_MIB = 1000;

let guest: Guest;
let truth: Truth;
let agent: AgentProcess;
let monitor: Yielding;
/** The pid of who uses the memory. */
let hog: string;

beforeAll(async () => {
  guest = await startGuest({ name: "used" });
  truth = await Truth.open(guest.truthPath);
  // There is one who speaks for this guest, and it is not the one inside.
  await run("kill -STOP $(cat /run/selfscale/monitor.pid)");
  monitor = await Yielding.listen(guest.uuid);
  agent = await AgentProcess.start({
    node: { cpu: 8, mem: "8Gi" },
    vms: [{ ...entryFor(guest), monitor: monitor.url }],
  });
});

afterAll(async () => {
  await agent.stop();
  await monitor.close();
  truth.close();
  await guest.kill();
});

describe("a shrink while the memory is in use", () => {
  test("stops within a slice, kills nothing, and is told as it is", async () => {
    monitor.wish(GROWN_MIB);
    await until("it has grown", async () => (await truth.size()).memBytes === GROWN_MIB * MIB);
    const before = await guestView(guest);
    hog = await run(
      `setsid touch-loop --mib ${USED_MIB} --hold 3600 </dev/null >/dev/null 2>&1 & echo $!`,
    );
    await until("the memory is in use", async () => {
      return before.memAvailableBytes - (await guestView(guest)).memAvailableBytes > 950 * MIB;
    });

    const watch = watchSize();
    monitor.wish(WISHED_MIB);
    await until("it stopped short", async () => {
      return (await agent.log()).some(({ reason }) => reason === "resize-short");
    });
    await until("it is settled and told as it is", async () => {
      const [size, { actual, requested }] = [await truth.size(), await ladder()];
      const isSettled = size.requestedBytes === size.memBytes;
      const isTold = actual?.memBytes === size.memBytes && requested?.memBytes === size.memBytes;
      return isSettled && isTold;
    });
    const startedAt = performance.now();
    const after = await guestView(guest);
    const answeredMs = performance.now() - startedAt;
    const sizes = await watch.stop();
    const lowestMiB = Math.min(...sizes.map((size) => size.memBytes)) / MIB;
    console.log(
      `${USED_MIB} MiB in use: ${GROWN_MIB} MiB shrank to ${lowestMiB} MiB, ` +
        `${Math.round(after.memAvailableBytes / MIB)} MiB available, ` +
        `answered in ${Math.round(answeredMs)} ms, ${monitor.consents} consents`,
    );

    expect(sizes.length).toBeGreaterThan(10);
    for (const size of sizes) {
      const aheadMiB = (size.memBytes - size.requestedBytes) / MIB;
      expect(aheadMiB, "never told more than a slice below").toBeLessThanOrEqual(SLICE_MIB);
    }
    expect(lowestMiB).toBeGreaterThan(USED_MIB);
    expect(lowestMiB).toBeLessThan(GROWN_MIB);
    expect(monitor.consents).toBeGreaterThan(0);
    expect(after.oomKills).toBe(before.oomKills);
    expect(await isHogAlive()).toBe(true);
  });

  test("and when more is wanted again, it is there", async () => {
    monitor.wish(GROWN_MIB);
    await until("it has grown", async () => (await truth.size()).memBytes === GROWN_MIB * MIB);
    expect(await isHogAlive()).toBe(true);
  });
});

async function isHogAlive(): Promise<boolean> {
  const { stdout } = await guest.exec(`cat /proc/${hog}/comm`, { timeoutMs: 10_000 });
  return stdout.trim() === "touch-loop";
}

async function ladder() {
  return await agent.vm(guest.name);
}

async function run(command: string): Promise<string> {
  const { code, stdout, stderr } = await guest.exec(command);
  if (code !== 0) throw new Error(`${command}: ${code}: ${stderr}`);
  return stdout.trim();
}

/** What QEMU says, again and again. Both numbers of one look are of one instant. */
function watchSize() {
  const sizes: TrueSize[] = [];
  let isOver = false;
  const watching = until(
    "the watch is over",
    async () => {
      sizes.push(await truth.size());
      return isOver;
    },
    { withinMs: 300_000 },
  );
  watching.catch(() => undefined);
  return {
    stop: async () => {
      isOver = true;
      await watching;
      return sizes;
    },
  };
}

type Frame = Readonly<{ type?: string; id?: number; content?: unknown; min?: number }>;

/** A version-2 monitor that wants what it is told to, and agrees to whatever it is asked. */
class Yielding {
  consents = 0;
  readonly url: string;
  readonly #server: WebSocketServer;
  readonly #uuid: string;
  #link: WebSocket | null = null;
  #wishMiB: number | null = null;
  #nextId = 3;

  private constructor(server: WebSocketServer, uuid: string) {
    this.#server = server;
    this.#uuid = uuid;
    this.url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/monitor`;
    server.on("connection", (link) => this.#serve(link));
  }

  static async listen(uuid: string): Promise<Yielding> {
    const server = new WebSocketServer({ host: "127.0.0.1", port: 0, path: "/monitor" });
    await once(server, "listening");
    return new Yielding(server, uuid);
  }

  wish(mib: number): void {
    this.#wishMiB = mib;
    this.#sayWish();
  }

  async close(): Promise<void> {
    this.#link?.terminate();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(link: WebSocket): void {
    this.#link = link;
    link.on("message", (data: Buffer) => {
      const frame = JSON.parse(data.toString()) as Frame;
      const { type, id } = frame;
      if (type === undefined) {
        this.#send({ version: 2, vm: this.#uuid, features: ["size-report"] });
        this.#sayWish();
      } else if (type === "HealthCheck") {
        this.#send({ type, id });
      } else if (type === "UpscaleNotification") {
        this.#send({ type: "UpscaleConfirmation", id });
      } else if (type === "DownscaleRequest") {
        this.consents += 1;
        this.#send({ type: "DownscaleResult", Ok: true, Status: "whatever you say", id });
      }
    });
    link.on("error", () => undefined); // its close is seen by the agent
  }

  #sayWish(): void {
    if (this.#wishMiB === null) return;
    const target = { cpu: 1, mem: this.#wishMiB * MIB };
    this.#send({ type: "ScaleRequest", target, id: this.#nextId });
    this.#nextId += 2;
  }

  #send(frame: object): void {
    this.#link?.send(JSON.stringify(frame));
  }
}
