// A deployed agent, played by the test with its exact frames, and our monitor in a real guest: it must feel like version 1.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { guestView } from "../harness/guest-view.ts";
import { type Guest, startGuest } from "../harness/guest.ts";
import { MIB, Truth } from "../harness/truth.ts";
import { until } from "../harness/until.ts";

const HEALTH_CHECK_EVERY_MS = 5_000;
const GROWTH_MIB = 512;
const BASE_MIB = 512;

/** Every frame that version 1 lets a monitor send, with its keys in the deployed order. */
const VERSION_1: Readonly<Record<string, readonly string[]>> = {
  UpscaleRequest: ["type", "id"],
  UpscaleConfirmation: ["type", "id"],
  HealthCheck: ["type", "id"],
  DownscaleResult: ["type", "Ok", "Status", "id"],
};

type Frame = Readonly<Record<string, unknown>>;

/** A deployed agent's side of one connection: wrapped frames, a newline at the end, even ids. */
class OldAgent {
  readonly frames: Frame[] = [];
  readonly #socket: WebSocket;
  readonly #healthChecks: NodeJS.Timeout;
  #nextId = 2;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on("message", (data: Buffer) => this.frames.push(JSON.parse(data.toString()) as Frame));
    this.#healthChecks = setInterval(() => this.send("HealthCheck", {}), HEALTH_CHECK_EVERY_MS);
  }

  /** Resolves when the monitor has answered the offer. */
  static async connect(url: string): Promise<{ agent: OldAgent; reply: string }> {
    const socket = new WebSocket(url, { perMessageDeflate: false });
    await new Promise((resolve, reject) => {
      socket.once("open", resolve);
      socket.once("error", reject);
    });
    const reply = new Promise<string>((resolve, reject) => {
      socket.once("message", (data: Buffer) => resolve(data.toString()));
      socket.once("close", () => reject(new Error("the monitor closed the connection")));
    });
    socket.send('{"min":1,"max":1}\n');
    const text = await reply;
    return { agent: new OldAgent(socket), reply: text };
  }

  /** Returns the id. */
  send(type: string, content: Readonly<Record<string, unknown>>): number {
    const id = this.#nextId;
    this.#nextId += 2;
    this.#socket.send(`${JSON.stringify({ content, type, id })}\n`);
    return id;
  }

  async ask(type: string, content: Readonly<Record<string, unknown>>): Promise<Frame> {
    const id = this.send(type, content);
    return await until(`an answer to ${type}`, () => {
      return this.frames.find((frame) => frame["id"] === id);
    });
  }

  count(type: string): number {
    return this.frames.filter((frame) => frame["type"] === type).length;
  }

  get isOpen(): boolean {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  close(): void {
    clearInterval(this.#healthChecks);
    this.#socket.terminate();
  }
}

let guest: Guest;
let truth: Truth;
let agent: OldAgent;
let reply: string;

beforeAll(async () => {
  guest = await startGuest({ name: "new", monitorArgs: ["--preset", "demo"] });
  truth = await Truth.open(guest.truthPath);
  ({ agent, reply } = await OldAgent.connect(guest.monitorUrl));
});

afterAll(async () => {
  agent.close();
  truth.close();
  await guest.kill();
});

describe("a version-2 monitor with a deployed agent", () => {
  test("answers version 1, byte for byte as deployed monitors do", () => {
    expect(reply).toBe('{"version":1}');
  });

  test("says when it runs out, takes what it gets, and agrees to give back what it can", async () => {
    expect(await agent.ask("HealthCheck", {})).toEqual({ type: "HealthCheck", id: 2 });
    expect(await agent.ask("UpscaleNotification", granted(BASE_MIB))).toEqual({
      type: "UpscaleConfirmation",
      id: 4,
    });
    const kills = (await guestView(guest)).oomKills;

    const load = guest.exec("touch-loop --mib 550 --rate 60 --hold 8", { timeoutMs: 120_000 });
    await until("it asks for more", () => agent.count("UpscaleRequest") > 0);
    await setMemory(BASE_MIB + GROWTH_MIB);
    const confirmed = await agent.ask("UpscaleNotification", granted(BASE_MIB + GROWTH_MIB));
    expect(confirmed["type"]).toBe("UpscaleConfirmation");
    await until("the load holds its memory", async () => {
      const { memTotalBytes, memAvailableBytes } = await guestView(guest);
      return memTotalBytes - memAvailableBytes > 550 * MIB;
    });
    const refused = await agent.ask("DownscaleRequest", target(BASE_MIB));
    expect(refused).toMatchObject({ type: "DownscaleResult", Ok: false });
    expect(refused["Status"]).toEqual(expect.stringMatching(/./));

    const { code, stderr } = await load;
    expect(code, stderr).toBe(0);
    await until(
      "it agrees to give it back",
      async () => {
        return (await agent.ask("DownscaleRequest", target(BASE_MIB)))["Ok"] === true;
      },
      { everyMs: 1_000 },
    );
    await setMemory(BASE_MIB);
    expect((await guestView(guest)).oomKills).toBe(kills);
  });

  test("never said a word that version 1 lacks", () => {
    expect(agent.isOpen).toBe(true);
    for (const frame of agent.frames) {
      const { type, id } = frame as { type: string; id: number };
      expect(Object.keys(frame), type).toEqual(VERSION_1[type]);
      if (type === "UpscaleRequest") expect(id % 2, "its own ids are odd").toBe(1);
    }
    expect(agent.count("DownscaleResult")).toBeGreaterThanOrEqual(2);
    // The link lived long enough for the periodic ones.
    expect(agent.count("HealthCheck")).toBeGreaterThanOrEqual(2);
  });
});

function granted(mib: number) {
  return { granted: { cpu: 1, mem: mib * MIB } };
}

function target(mib: number) {
  return { target: { cpu: 1, mem: mib * MIB } };
}

/** What the deployed agent lets NeonVM do. Resolves when QEMU shows it. */
async function setMemory(mib: number): Promise<void> {
  const property = { path: "/machine/peripheral/vm0", property: "requested-size" };
  await truth.qmp.execute("qom-set", { ...property, value: (mib - BASE_MIB) * MIB });
  await until(`QEMU shows ${mib} MiB`, async () => (await truth.size()).memBytes === mib * MIB);
}
