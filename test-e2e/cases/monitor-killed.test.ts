// The monitor dies while the VM is large: its size is held until a new one has measured, and only then given back.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { shrinksIn, timesNoted, unaskedIn } from "../harness/agent-log.ts";
import { guestView } from "../harness/guest-view.ts";
import { Load, ENDED_BY_TEST } from "../harness/load.ts";
import { Stack } from "../harness/stack.ts";
import { MIB } from "../harness/truth.ts";
import { until } from "../harness/until.ts";

let stack: Stack;

beforeAll(async () => {
  stack = await Stack.start({
    guests: [{ name: "headless", monitorArgs: ["--preset", "default"] }],
  });
  await until("the monitor decides", async () => {
    return (await stack.ladder()).mode === "compute-controlled";
  });
});

afterAll(async () => {
  await stack.stop();
});

describe("a VM whose monitor is killed", () => {
  test("keeps its size and its processes, and then follows the next monitor", async () => {
    const { oomKills } = await guestView(stack.guest);
    const load = await Load.start(stack.guest, 900, 100);
    const grown = await until("it came to rest", async () => {
      const { memBytes, requestedBytes } = await stack.truth.size();
      return memBytes === requestedBytes && memBytes >= 1024 * MIB ? memBytes : null;
    });

    // The default holds: what it has is not given up before a whole window was measured.
    expect(await replaceMonitor("default")).toBe(grown);
    const first = await stack.ladder();
    expect(first.desired?.memBytes).toBeGreaterThanOrEqual(grown);
    expect((await stack.truth.size()).memBytes).toBeGreaterThanOrEqual(grown);
    expect(shrinksIn(await stack.agent.log())).toEqual([]);

    expect(await load.end()).toBe(ENDED_BY_TEST);
    // Short holds: the same, and then it comes down.
    await replaceMonitor("demo");
    await until(
      "it is back at 512 MiB",
      async () => (await stack.truth.size()).memBytes === 512 * MIB,
      { withinMs: 120_000 },
    );
    expect(unaskedIn(await stack.agent.log())).toEqual([]);
    expect((await guestView(stack.guest)).oomKills).toBe(oomKills);
  });
});

/** Kills it and waits until its successor named a size on a new link. The least it had meanwhile, in bytes. */
async function replaceMonitor(preset: string): Promise<number> {
  const links = timesNoted(await stack.ladder(), "link-up");
  let leastBytes = Infinity;
  const look = async () => {
    leastBytes = Math.min(leastBytes, (await stack.truth.size()).memBytes);
  };
  const restarted = stack.guest.restartMonitor(["--preset", preset]);
  await until("the agent has a new link and knows what the new monitor wants", async () => {
    await look();
    const ladder = await stack.ladder();
    if (timesNoted(ladder, "link-up") === links) return false;
    const { mode, wishReason } = ladder;
    return mode === "compute-controlled" && wishReason !== null;
  });
  await restarted;
  return leastBytes;
}
