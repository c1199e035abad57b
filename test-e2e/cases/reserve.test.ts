// The free memory that a guest keeps: no more than it needs at rest, and enough to live through its own reaction time.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { guestView } from "../harness/guest-view.ts";
import { Stack } from "../harness/stack.ts";
import { MIB } from "../harness/truth.ts";
import { until } from "../harness/until.ts";

const REST_BYTES = 512 * MIB;
const WATCH_MS = 30_000;
const LOAD_MIB = 1434;
/** touch-loop counts as disks do. */
const MB = 1e6;

type Figures = Readonly<{ reserveBytes: number; tReactMs: number; rMaxBytesPerSec: number }>;

let stack: Stack;

beforeAll(async () => {
  stack = await Stack.start({ guests: [{ name: "rest", monitorArgs: ["--preset", "default"] }] });
  await until("the monitor decides", async () => {
    return (await stack.ladder()).mode === "compute-controlled";
  });
});

afterAll(async () => {
  await stack.stop();
});

describe("an idle guest of 512 MiB", () => {
  test("rests at 512 MiB", async () => {
    const endsAt = performance.now() + WATCH_MS;
    const seen = new Set<number>();
    const wanted = new Set<number>();
    await until(
      "it was watched for long enough",
      async () => {
        const size = await stack.truth.size();
        seen.add(size.memBytes).add(size.requestedBytes);
        const { desired } = await stack.ladder();
        if (desired !== null) wanted.add(desired.memBytes);
        return performance.now() > endsAt;
      },
      { withinMs: 2 * WATCH_MS, everyMs: 200 },
    );
    expect([...seen]).toEqual([REST_BYTES]);
    expect([...wanted]).toEqual([REST_BYTES]);
    // What came and went between two looks is in the log.
    for (const { reason, data, msg } of await stack.agent.log()) {
      if (reason !== "level-set") continue;
      expect((data as { memBytes: number }).memBytes, msg).toBeLessThanOrEqual(REST_BYTES);
    }
  });

  test("lives through the allocation that its reserve is made for", async () => {
    const { reserveBytes, tReactMs, rMaxBytesPerSec } = await figures();
    expect(reserveBytes).toBeGreaterThan(0);
    expect(tReactMs).toBeGreaterThan(0);
    const rate = Math.ceil(reserveBytes / (tReactMs / 1000) / MB);
    const before = await guestView(stack.guest);
    const load = await stack.guest.exec(`touch-loop --mib ${LOAD_MIB} --rate ${rate}`, {
      timeoutMs: 120_000,
    });
    const size = await stack.truth.size();
    console.log(
      `reserve ${Math.round(reserveBytes / MIB)} MiB, tReact ${Math.round(tReactMs)} ms, ` +
        `rMax ${Math.round(rMaxBytesPerSec / MB)} MB/s: asked for ${rate} MB/s; ` +
        `reached ${load.stdout.trim()}; ${size.memBytes / MIB} MiB in the end`,
    );
    expect(load.code, load.stderr).toBe(0);
    expect((await guestView(stack.guest)).oomKills).toBe(before.oomKills);
    expect(size.memBytes).toBeGreaterThan(LOAD_MIB * MIB);
  });
});

/** As an operator in the guest would ask for it. */
async function figures(): Promise<Figures> {
  const command = "node /opt/selfscale/selfscale-monitor.cjs status --json";
  const { code, stdout, stderr } = await stack.guest.exec(command);
  expect(code, stderr).toBe(0);
  return (JSON.parse(stdout) as { monitor: { memory: Figures } }).monitor.memory;
}
