// The operator cuts bounds.max below what a VM has in use: it goes down by consent only, as far as its memory is free.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { count, shrinksIn, sinceAttached, unaskedIn } from "../harness/agent-log.ts";
import { guestView } from "../harness/guest-view.ts";
import { ENDED_BY_TEST, Load } from "../harness/load.ts";
import { DEMO_BOUNDS, entryFor, Stack } from "../harness/stack.ts";
import { MIB } from "../harness/truth.ts";
import { until } from "../harness/until.ts";

const LOAD_MIB = 1300;
const CUT_BYTES = 1024 * MIB;

let stack: Stack;

beforeAll(async () => {
  stack = await Stack.start({ guests: [{ name: "cut", monitorArgs: ["--preset", "demo"] }] });
  await until("the monitor decides", async () => {
    return (await stack.ladder()).mode === "compute-controlled";
  });
});

afterAll(async () => {
  await stack.stop();
});

describe("a VM that holds more than its new bounds.max", () => {
  test("keeps what is in use, says above-max, and goes below when it can", async () => {
    const { oomKills } = await guestView(stack.guest);
    const load = await Load.start(stack.guest, LOAD_MIB, 100);
    expect((await stack.truth.size()).memBytes).toBeGreaterThanOrEqual(1536 * MIB);

    await stack.agent.killHard();
    const max = { ...DEMO_BOUNDS.max, mem: "1Gi" };
    const bounds = { ...DEMO_BOUNDS, max };
    await stack.agent.launch({ vms: [{ ...entryFor(stack.guest), bounds }] });
    const news = async () => sinceAttached(await stack.agent.log());
    const used = await until("the monitor refuses to give what is in use", async () => {
      const size = await stack.truth.size();
      const isAtRest = size.requestedBytes === size.memBytes;
      return isAtRest && count(await news(), "consent-refused") > 0 ? size : null;
    });
    expect((await stack.ladder()).reason).toBe("above-max");
    expect(used.memBytes).toBeGreaterThan(LOAD_MIB * MIB);
    expect(unaskedIn(await news())).toEqual([]);

    expect(await load.end()).toBe(ENDED_BY_TEST);
    await until(
      "it is within its bounds",
      async () => (await stack.truth.size()).memBytes <= CUT_BYTES,
      { withinMs: 120_000 },
    );
    await until("it no longer says so", async () => {
      return (await stack.ladder()).reason !== "above-max";
    });
    expect(unaskedIn(await news())).toEqual([]);
    expect(shrinksIn(await news()).length).toBeGreaterThan(0);
    expect((await guestView(stack.guest)).oomKills).toBe(oomKills);
  });
});
