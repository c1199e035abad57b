// Memory of a real guest follows what is needed in it: up before anything is killed, down slice by slice by consent.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { guestView } from "../harness/guest-view.ts";
import { Stack } from "../harness/stack.ts";
import { MIB } from "../harness/truth.ts";
import { until } from "../harness/until.ts";

let stack: Stack;

beforeAll(async () => {
  stack = await Stack.start({ guests: [{ name: "mem", monitorArgs: ["--preset", "demo"] }] });
  await until(
    "the monitor decides",
    async () => (await stack.ladder()).mode === "compute-controlled",
  );
});

afterAll(async () => {
  await stack.stop();
});

describe("a guest that needs memory", () => {
  test("gets it in time, keeps its processes, and gives it back", async () => {
    const before = await guestView(stack.guest);
    const load = await stack.guest.exec("touch-loop --mib 900 --rate 100 --hold 3", {
      timeoutMs: 120_000,
    });
    expect(load.code, load.stderr).toBe(0);
    const peak = await stack.truth.size();
    expect(peak.memBytes).toBeGreaterThanOrEqual(1024 * MIB);
    expect((await guestView(stack.guest)).oomKills).toBe(before.oomKills);

    await until(
      "it is back at 512 MiB",
      async () => (await stack.truth.size()).memBytes === 512 * MIB,
      {
        withinMs: 120_000,
      },
    );
    const log = await stack.agent.log();
    const consents = log.filter((line) => line.reason === "consent-given").length;
    expect(consents).toBeGreaterThan(0);
  });
});
