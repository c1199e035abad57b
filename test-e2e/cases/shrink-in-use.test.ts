// A real guest that is being made smaller while its memory is in use: what was agreed to a moment ago is no longer right.
import { once } from "node:events";
import { type AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { count, unaskedIn } from "../harness/agent-log.ts";
import { AgentProcess } from "../harness/agent-process.ts";
import { guestView } from "../harness/guest-view.ts";
import { type Guest, startGuest } from "../harness/guest.ts";
import { ENDED_BY_TEST, Load } from "../harness/load.ts";
import { entryFor } from "../harness/stack.ts";
import { MIB, Truth, type TrueSize } from "../harness/truth.ts";
import { until } from "../harness/until.ts";

const SLICE_MIB = 256;
const GROWN_MIB = 1536;
const WISHED_MIB = 512;
/** After one slice there is little left to give; a second whole one would cost a process its life. */
const USED_MIB = 1000;

let guest: Guest;
let truth: Truth;
let agent: AgentProcess;
let monitor: Agreeable;
let load: Load;
let killsBefore: number;

beforeAll(async () => {
  guest = await startGuest({ name: "used" });
  truth = await Truth.open(guest.truthPath);
  // Who speaks for this guest at first is not the one inside.
  await guest.exec("kill -STOP $(cat /run/selfscale/monitor.pid)");
  monitor = await Agreeable.listen(guest.uuid);
  agent = await AgentProcess.start({
    node: { cpu: 8, mem: "8Gi" },
    vms: [{ ...entryFor(guest), monitor: monitor.url }],
  });
  killsBefore = (await guestView(guest)).oomKills;
});

afterAll(async () => {
  await agent.stop();
  await monitor.close();
  truth.close();
  await guest.kill();
});

describe("a shrink while the memory is in use", () => {
  test("stops within a slice when the monitor that agreed to it is gone", async () => {
    monitor.wish(GROWN_MIB);
    await untilMemory(GROWN_MIB);
    load = await Load.start(guest, USED_MIB, 100);

    const watch = watchSize();
    monitor.wish(WISHED_MIB);
    const cutAt = await until(
      "it gives up what is in use",
      async () => {
        const size = await truth.size();
        const isUnplugging = size.requestedBytes < size.memBytes;
        const isSecond = size.requestedBytes < (GROWN_MIB - SLICE_MIB) * MIB;
        return isUnplugging && isSecond ? size : null;
      },
      { everyMs: 20 },
    );
    monitor.leave();
    const settled = await until("requested is actual, and is told so", async () => {
      const [size, { actual, requested }] = [await truth.size(), await agent.vm(guest.name)];
      const isSettled = size.requestedBytes === size.memBytes;
      const isTold = [actual, requested].every((told) => told?.memBytes === size.memBytes);
      return isSettled && isTold ? size : null;
    });
    const view = await guestView(guest);
    const sizes = await watch.stop();
    console.log(
      `${USED_MIB} MiB in use: cut at ${cutAt.memBytes / MIB} of ${cutAt.requestedBytes / MIB} MiB, ` +
        `settled at ${settled.memBytes / MIB} MiB, ${Math.round(view.memAvailableBytes / MIB)} MiB available, ` +
        `${monitor.consents} consents, ${sizes.length} looks`,
    );

    expect(monitor.consents).toBe(2);
    expect(sizes.length).toBeGreaterThan(10);
    expect(mostAheadMiB(sizes)).toBeLessThanOrEqual(SLICE_MIB);
    expect(settled.memBytes).toBeGreaterThan(cutAt.requestedBytes);
    expect(count(await agent.log(), "settled")).toBeGreaterThan(0);
    // Nobody goes on with it behind the agent's back.
    expect((await truth.size()).memBytes).toBe(settled.memBytes);
    expect(view.oomKills).toBe(killsBefore);
  });

  test("has harmed nobody: it grows again, and the load lives", async () => {
    monitor.wish(GROWN_MIB);
    monitor.comeBack();
    await untilMemory(GROWN_MIB);
    expect((await guestView(guest)).oomKills).toBe(killsBefore);
  });

  test("is undone when the memory is needed again in the middle of it", async () => {
    await agent.killHard();
    await guest.restartMonitor(["--preset", "demo"]);
    await agent.launch({ vms: [entryFor(guest)] });
    await until("the guest's own monitor decides", async () => {
      const { mode, desired } = await agent.vm(guest.name);
      return mode === "compute-controlled" && desired !== null;
    });
    expect(await load.end()).toBe(ENDED_BY_TEST);

    const watch = watchSize();
    await until(
      "it gives memory back",
      async () => {
        const size = await truth.size();
        return size.requestedBytes < size.memBytes || size.memBytes < GROWN_MIB * MIB;
      },
      { withinMs: 120_000, everyMs: 20 },
    );
    load = await Load.start(guest, USED_MIB, 100);
    const size = await until("it has what it needs, and is told so", async () => {
      const [now, { actual, desired }] = [await truth.size(), await agent.vm(guest.name)];
      const isTold = actual?.memBytes === now.memBytes && desired?.memBytes === now.memBytes;
      return isTold && now.requestedBytes === now.memBytes ? now : null;
    });
    const sizes = await watch.stop();
    const lowestMiB = Math.min(...sizes.map(({ memBytes }) => memBytes)) / MIB;
    console.log(`it was down to ${lowestMiB} MiB, and is at ${size.memBytes / MIB} MiB`);

    expect(lowestMiB).toBeLessThan(GROWN_MIB);
    expect(size.memBytes).toBeGreaterThan(USED_MIB * MIB);
    expect(mostAheadMiB(sizes)).toBeLessThanOrEqual(SLICE_MIB);
    expect(unaskedIn(await agent.log())).toEqual([]);
    expect(await load.end()).toBe(ENDED_BY_TEST);
    expect((await guestView(guest)).oomKills).toBe(killsBefore);
  });
});

async function untilMemory(mib: number): Promise<void> {
  await until(`it has ${mib} MiB`, async () => (await truth.size()).memBytes === mib * MIB);
}

/** How far below what the guest has, QEMU was ever told to go. */
function mostAheadMiB(sizes: readonly TrueSize[]): number {
  return Math.max(...sizes.map((size) => (size.memBytes - size.requestedBytes) / MIB));
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
class Agreeable {
  consents = 0;
  readonly url: string;
  readonly #server: WebSocketServer;
  readonly #uuid: string;
  #link: WebSocket | null = null;
  #isAway = false;
  #wishMiB: number | null = null;
  #nextId = 3;

  private constructor(server: WebSocketServer, uuid: string) {
    this.#server = server;
    this.#uuid = uuid;
    this.url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/monitor`;
    server.on("connection", (link) => this.#serve(link));
  }

  static async listen(uuid: string): Promise<Agreeable> {
    const server = new WebSocketServer({ host: "127.0.0.1", port: 0, path: "/monitor" });
    await once(server, "listening");
    return new Agreeable(server, uuid);
  }

  wish(mib: number): void {
    this.#wishMiB = mib;
    this.#sayWish();
  }

  /** Ends the link and takes no other, in the manner of a guest that hangs. */
  leave(): void {
    this.#isAway = true;
    this.#link?.terminate();
  }

  comeBack(): void {
    this.#isAway = false;
  }

  async close(): Promise<void> {
    this.#link?.terminate();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(link: WebSocket): void {
    if (this.#isAway) {
      link.terminate();
      return;
    }
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
    link.on("error", () => undefined); // the agent sees its close
  }

  #sayWish(): void {
    if (this.#wishMiB === null) return;
    const target = { cpu: 1, mem: this.#wishMiB * MIB };
    this.#send({ type: "ScaleRequest", target, id: this.#nextId });
    this.#nextId += 2;
  }

  #send(frame: object): void {
    if (this.#link?.readyState === WebSocket.OPEN) this.#link.send(JSON.stringify(frame));
  }
}
