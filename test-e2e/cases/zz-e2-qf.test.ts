// QEMU is paused, reset, killed and started anew under the agent: each time the VM says so, and goes on where it can.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { count, sinceAttached, timesNoted, unaskedIn } from "../harness/agent-log.ts";
import { guestView } from "../harness/guest-view.ts";
import { type Guest, startGuest } from "../harness/guest.ts";
import { Stack } from "../harness/stack.ts";
import { MIB, Truth } from "../harness/truth.ts";
import { until } from "../harness/until.ts";

const DEMO = ["--preset", "demo"];
const SMALL = 512 * MIB;
/** One block less, for a moment, is how the agent wakes a guest's driver. */
const BLOCK = 2 * MIB;
const LONG = { withinMs: 120_000 };

let stack: Stack;
/** On the sockets of the one that was killed. */
let successor: Guest | null = null;

beforeAll(async () => {
  stack = await Stack.start({
    guests: [{ name: "shaken", monitorArgs: DEMO }],
    // So that what happens only once in a while happens while we look.
    agent: { timers: { reconnectMaxMs: 1_000, healthCheckMs: 1_000 } },
  });
  await untilDecided();
});

afterAll(async () => {
  (await import("node:fs")).copyFileSync(stack.agent.logPath, "/tmp/e2-qf-agent.log");
  await successor?.kill();
  await stack.stop();
});

describe("a VM whose QEMU", () => {
  test("is paused is not resized, says so, and goes on when it runs again", async () => {
    const load = await stack.guest.exec("touch-loop --mib 1100 --rate 120", LOAD_TIME);
    expect(load.code, load.stderr).toBe(0);
    // A slice takes the guest about 0.2 s.
    const isUnplugging = async () => {
      const { memBytes, requestedBytes } = await stack.truth.size();
      return requestedBytes < memBytes;
    };
    await until("it gives back", isUnplugging, { ...LONG, everyMs: 5 });
    await stack.truth.qmp.execute("stop", {});
    await until("the ladder says paused", async () => (await stack.ladder()).reason === "paused");
    const paused = await stack.truth.size();
    const begun = count(await log(), "resize-begun");
    // The stopped guest answers no health check: by then a whole retry or two would have gone by.
    await until("the agent misses the monitor", async () => {
      return (await stack.ladder()).link.state !== "up";
    });
    expect((await stack.truth.size()).memBytes).toBe(paused.memBytes);
    expect(count(await log(), "resize-begun")).toBe(begun);

    await stack.truth.qmp.execute("cont", {});
    await until("it goes on", async () => (await memBytes()) < paused.memBytes, LONG);
    expect(unaskedIn(await log())).toEqual([]);
  });

  test("is reset keeps what was requested, gets it back, and then gives back by consent", async () => {
    await grow();
    const { requestedBytes } = await stack.truth.size();
    const links = timesNoted(await stack.ladder(), "link-up");
    await stack.truth.qmp.execute("system_reset", {});
    await until("the guest's memory is gone", async () => {
      return (await stack.truth.size()).memBytes === SMALL;
    });
    let [leastRequested, leastHeld] = [Infinity, Infinity];
    await until(
      "the guest that boots has plugged it again",
      async () => {
        const now = await stack.truth.size();
        leastRequested = Math.min(leastRequested, now.requestedBytes);
        leastHeld = Math.min(leastHeld, (await stack.ladder()).held?.memBytes ?? 0);
        return now.memBytes >= requestedBytes;
      },
      LONG,
    );
    expect(leastRequested).toBeGreaterThanOrEqual(requestedBytes - BLOCK);
    expect(leastHeld).toBeGreaterThanOrEqual(requestedBytes - BLOCK);
    expect((await stack.truth.size()).memBytes).toBe(requestedBytes);

    // The guest's init gives it the default preset, whose patience is no test's.
    await until(
      "its monitor is back",
      async () => timesNoted(await stack.ladder(), "link-up") > links,
      LONG,
    );
    await stack.guest.restartMonitor(DEMO);
    await until("it is small again", async () => (await memBytes()) === SMALL, LONG);
    expect(unaskedIn(await log())).toEqual([]);
  });

  test("is killed is out of the count and asked for patiently, said once per cause", async () => {
    await grow();
    const before = await log();
    const { dials, attaches } = (await stack.ladder()).counters;
    stack.truth.close();
    process.kill(stack.guest.pid, "SIGKILL");
    await until("the VM says that QEMU is gone", async () => {
      const { reason, problems } = await stack.ladder();
      return reason === "stuck" && problems.length > 0;
    });
    await until("its room is free but for its minimum", async () => {
      return (await promisedBytes()) === SMALL;
    });
    await until("its monitor was dialled again and again", async () => {
      return ((await stack.ladder()).counters["dials"] ?? 0) > (dials ?? 0) + 5;
    });
    const said = (await log()).slice(before.length);
    const messages = said.map(({ reason, msg }) => `${reason}: ${msg}`);
    expect(messages.length, messages.join("\n")).toBe(new Set(messages).size);
    expect(count(said, "hypervisor-lost")).toBeGreaterThan(0);
    expect((await stack.ladder()).counters["attaches"]).toBe(attaches);
  });

  test("is started anew is met as a stranger, and served", async () => {
    const guest = await startGuest({ name: "again", monitorArgs: DEMO, successorOf: stack.guest });
    successor = guest;
    await until("the agent met it", async () => count(await log(), "new-process") === 1);
    await until("its size was read", async () => {
      return (await stack.ladder()).actual?.memBytes === SMALL;
    });
    await untilDecided();
    const truth = await Truth.open(guest.truthPath);
    const load = await guest.exec("touch-loop --mib 700 --rate 100", LOAD_TIME);
    expect(load.code, load.stderr).toBe(0);
    expect((await truth.size()).memBytes).toBeGreaterThanOrEqual(1024 * MIB);
    expect((await guestView(guest)).oomKills).toBe(0);
    expect(unaskedIn(sinceAttached(await log()))).toEqual([]);
    truth.close();
  });
});

const LOAD_TIME = { timeoutMs: 120_000 };

async function untilDecided(): Promise<void> {
  await until("the monitor decides", async () => {
    const { link, mode } = await stack.ladder();
    return link.state === "up" && mode === "compute-controlled";
  });
}

/** Takes what the load needs, and is still large when it has ended. */
async function grow(): Promise<void> {
  const load = await stack.guest.exec("touch-loop --mib 700 --rate 100", LOAD_TIME);
  expect(load.code, load.stderr).toBe(0);
  await until("it grew and came to rest", async () => {
    const { memBytes, requestedBytes } = await stack.truth.size();
    return memBytes === requestedBytes && memBytes >= 1024 * MIB;
  });
}

/** What the node's VMs hold and were promised, by the agent's own account. */
async function promisedBytes(): Promise<number> {
  const status = (await stack.agent.status()) as { node: { promised: { memBytes: number } } };
  return status.node.promised.memBytes;
}

async function log() {
  return await stack.agent.log();
}

async function memBytes(): Promise<number> {
  return (await stack.truth.size()).memBytes;
}
