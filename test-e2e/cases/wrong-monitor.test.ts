// A monitor of one VM under the name of another: nothing is resized on its word, and its neighbour does not notice.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { count, shrinksIn } from "../harness/agent-log.ts";
import { guestView } from "../harness/guest-view.ts";
import { type Guest, startGuest } from "../harness/guest.ts";
import { ENDED_BY_TEST, Load } from "../harness/load.ts";
import { Stack } from "../harness/stack.ts";
import { MIB } from "../harness/truth.ts";
import { until } from "../harness/until.ts";

const START_BYTES = 512 * MIB;
const [MIXED, RIGHT] = [0, 1];

/** Has no entry of its own: only its monitor is connected, as if it were the mixed-up VM's. */
let stranger: Guest;
let stack: Stack;

beforeAll(async () => {
  const monitorArgs = ["--preset", "demo"];
  stranger = await startGuest({ name: "stranger", identity: "b", monitorArgs });
  stack = await Stack.start({
    guests: [{ name: "mixed" }, { name: "right", monitorArgs }],
    vms: { mixed: { monitor: stranger.monitorUrl } },
  });
});

afterAll(async () => {
  await stack.stop();
  await stranger.kill();
});

describe("a VM configured with another VM's monitor", () => {
  test("is not resized, says so, and its neighbour goes on", async () => {
    await until("the agent noticed", async () => {
      return (await stack.ladder(MIXED)).link.identity === "mismatched";
    });
    const before = await guestView(guest(RIGHT));

    // Fits into the stranger's 512 MiB, and makes its monitor want more.
    const strange = await Load.start(stranger, 200, 60);
    await until("the stranger's monitor asks for more", async () => {
      return ((await stack.ladder(MIXED)).desired?.memBytes ?? 0) > START_BYTES;
    });
    const right = await Load.start(guest(RIGHT), 500, 60);
    expect((await sizeOf(RIGHT)).memBytes).toBeGreaterThanOrEqual(768 * MIB);

    const { reason, link, actual } = await stack.ladder(MIXED);
    expect(reason).toBe("stuck");
    expect(link).toMatchObject({ state: "up", identity: "mismatched" });
    expect(actual?.memBytes).toBe(START_BYTES);

    expect(await right.end()).toBe(ENDED_BY_TEST);
    expect(await strange.end()).toBe(ENDED_BY_TEST);
    await until(
      "the right one gives back what it took",
      async () => (await sizeOf(RIGHT)).memBytes === START_BYTES,
      { withinMs: 120_000 },
    );
    expect((await guestView(guest(RIGHT))).oomKills).toBe(before.oomKills);

    const about = (await stack.agent.log()).filter((line) => line.vm === "mixed");
    expect(count(about, "identity-mismatch")).toBe(1);
    expect(count(about, "resize-begun")).toBe(0);
    expect(shrinksIn(about)).toEqual([]);
    const mixed = await sizeOf(MIXED);
    expect([mixed.memBytes, mixed.requestedBytes, mixed.vcpus]).toEqual([
      ...[START_BYTES, START_BYTES],
      1,
    ]);
  });
});

function guest(index: number): Guest {
  const found = stack.guests[index];
  if (found === undefined) throw new Error(`there is no guest ${index}`);
  return found;
}

async function sizeOf(index: number) {
  const size = await stack.truths[index]?.size();
  if (size === undefined) throw new Error(`there is no guest ${index}`);
  return size;
}
