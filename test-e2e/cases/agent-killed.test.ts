// The agent dies in the middle of a shrink, twice: it costs a slice at most, and the next one settles before it goes on.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { count, shrinksIn, sinceAttached, unaskedIn } from "../harness/agent-log.ts";
import { guestView } from "../harness/guest-view.ts";
import { Stack } from "../harness/stack.ts";
import { MIB, type TrueSize } from "../harness/truth.ts";
import { until } from "../harness/until.ts";

const SLICE = 256 * MIB;
/** A slice takes the guest about 0.2 s: a coarser look misses it. */
const CLOSE_LOOK = { everyMs: 5, withinMs: 120_000 };

let stack: Stack;
let oomKillsBefore: number;

beforeAll(async () => {
  stack = await Stack.start({ guests: [{ name: "orphan", monitorArgs: ["--preset", "demo"] }] });
  await until("the monitor decides", async () => {
    return (await stack.ladder()).mode === "compute-controlled";
  });
  oomKillsBefore = (await guestView(stack.guest)).oomKills;
  const load = await stack.guest.exec("touch-loop --mib 1400 --rate 120", { timeoutMs: 120_000 });
  expect(load.code, load.stderr).toBe(0);
  expect((await stack.truth.size()).memBytes).toBeGreaterThanOrEqual(1536 * MIB);
});

afterAll(async () => {
  await stack.stop();
});

describe("an agent killed while its VM gives back memory", () => {
  test("costs at most the slice that was agreed to", async () => {
    await until("a slice is being unplugged", async () => isUnplugging(await size()), CLOSE_LOOK);
    await stack.agent.killHard();
    const atKill = await size();
    expect(atKill.requestedBytes).toBeGreaterThanOrEqual(atKill.memBytes - SLICE);

    // Nobody is attached: the guest does what it was told last, and then has nothing more to do.
    const atRest = await until("the guest has met what it was told", async () => {
      const now = await size();
      return isUnplugging(now) ? null : now;
    });
    expect(atRest.memBytes).toBeGreaterThanOrEqual(atKill.memBytes - SLICE);
    expect(atRest.requestedBytes).toBe(atKill.requestedBytes);
  });

  test("leaves a guest that still unplugs: the next one stops that first", async () => {
    const { qmp } = stack.truth;
    const { memBytes } = await size();
    await relaunch();
    // The guest is stopped in the act, so that it can't finish before the next agent looks.
    const inTheAct = await until(
      "the guest is stopped while it unplugs",
      async () => {
        if (!isUnplugging(await size())) return null;
        await qmp.execute("stop", {});
        const stopped = await size();
        if (isUnplugging(stopped)) return stopped;
        await qmp.execute("cont", {});
        return null;
      },
      CLOSE_LOOK,
    );
    await stack.agent.killHard();
    // What the first one left was at rest: the second went on from there, by consent.
    const first = await until("its log is there", async () => shrinksIn(await news())[0]);
    expect(first.fromBytes).toBe(memBytes);
    expect(unaskedIn(await news())).toEqual([]);

    await relaunch();
    await until("it settled", async () => count(await news(), "settled") > 0);
    const settled = await until("QEMU was told", async () => {
      const now = await size();
      return isUnplugging(now) ? null : now;
    });
    expect(settled.memBytes).toBe(inTheAct.memBytes);
    expect(settled.requestedBytes).toBe(inTheAct.memBytes);
    expect(shrinksIn(await news())).toEqual([]);

    await qmp.execute("cont", {});
    await until("it is back at 512 MiB", async () => (await size()).memBytes === 512 * MIB, {
      withinMs: 120_000,
    });
    expect(unaskedIn(await news())).toEqual([]);
    expect((await guestView(stack.guest)).oomKills).toBe(oomKillsBefore);
  });
});

async function size(): Promise<TrueSize> {
  return await stack.truth.size();
}

function isUnplugging({ memBytes, requestedBytes }: TrueSize): boolean {
  return requestedBytes < memBytes;
}

/** Resolves when the new agent's own words are in the log. */
async function relaunch(): Promise<void> {
  const attached = async () => count(await stack.agent.log(), "hypervisor-attached");
  const before = await attached();
  await stack.agent.launch();
  await until("the next agent found QEMU", async () => (await attached()) > before);
}

/** What the agent that runs now has said. */
async function news() {
  return sinceAttached(await stack.agent.log());
}
