// Two VMs that both want to grow on a node with room for one: first come, first served; the other gets what is left.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { guestView } from "../harness/guest-view.ts";
import { DEMO_BOUNDS, Stack } from "../harness/stack.ts";
import { MIB } from "../harness/truth.ts";
import { until } from "../harness/until.ts";

const NODE_MIB = 2816;
const OVERHEAD_MIB = 256;
const [FIRST, SECOND] = [0, 1];
/** The first may take this much, so that what is left for the second is known: 768 MiB. */
const FIRST_MAX_MIB = 1536;
const LEFT_MIB = NODE_MIB - 2 * OVERHEAD_MIB - FIRST_MAX_MIB;

let stack: Stack;

beforeAll(async () => {
  stack = await Stack.start({
    guests: [
      { name: "first", identity: "a", monitorArgs: ["--preset", "demo"] },
      { name: "second", identity: "b", monitorArgs: ["--preset", "demo"] },
    ],
    node: { cpu: 8, mem: `${NODE_MIB}Mi` },
    vms: {
      first: { bounds: { ...DEMO_BOUNDS, max: { cpu: 4, mem: `${FIRST_MAX_MIB}Mi` } } },
    },
  });
  for (const index of [FIRST, SECOND]) {
    await until("both monitors decide", async () => {
      return (await stack.ladder(index)).mode === "compute-controlled";
    });
  }
});

afterAll(async () => {
  await stack.stop();
});

describe("a node that is too small for both of its VMs", () => {
  test("serves the first, gives the second what is left, and the rest when there is room", async () => {
    const watch = watchCapacity();
    const kills = (await guestView(guest(FIRST))).oomKills;

    // More than the first's maximum allows at ease: it takes all of it, and keeps it.
    const ended = new AbortController();
    const first = guest(FIRST)
      .exec("touch-loop --mib 1150 --rate 100 --hold 35", { timeoutMs: 170_000 })
      .finally(() => ended.abort());
    first.catch(() => undefined);
    await until("the first has its maximum", async () => {
      return (await memMiB(FIRST)) === FIRST_MAX_MIB;
    });

    const second = guest(SECOND).exec("touch-loop --mib 480 --rate 60 --hold 90", {
      timeoutMs: 170_000,
    });
    // Left to the end of its guest: whether it survives there is not promised.
    second.catch(() => undefined);
    await until("the second has what is left, and says why it is not more", async () => {
      const { reason, desired } = await stack.ladder(SECOND);
      const isShort = (desired?.memBytes ?? 0) > LEFT_MIB * MIB;
      return reason === "node-full" && isShort && (await memMiB(SECOND)) === LEFT_MIB;
    });
    expect(ended.signal.aborted, "the first still holds its memory").toBe(false);
    expect(await memMiB(FIRST)).toBe(FIRST_MAX_MIB);

    const { code, stderr } = await first;
    expect(code, stderr).toBe(0);
    expect((await guestView(guest(FIRST))).oomKills).toBe(kills);
    await until("the first gives back and the second gets the rest", async () => {
      const { reason, desired } = await stack.ladder(SECOND);
      const has = await memMiB(SECOND);
      const isWhole = has > LEFT_MIB && has * MIB === desired?.memBytes;
      return isWhole && reason !== "node-full" && (await memMiB(FIRST)) < FIRST_MAX_MIB;
    });

    const { looks, mostMiB } = await watch.stop();
    expect(looks).toBeGreaterThan(20);
    expect(mostMiB).toBeLessThanOrEqual(NODE_MIB);
  });
});

function guest(index: number) {
  const found = stack.guests[index];
  if (found === undefined) throw new Error(`there is no guest ${index}`);
  return found;
}

/** What counts for the node: the larger of what QEMU was told and what the guest holds. */
async function memMiB(index: number): Promise<number> {
  const size = await stack.truths[index]?.size();
  if (size === undefined) throw new Error(`there is no guest ${index}`);
  return Math.max(size.memBytes, size.requestedBytes) / MIB;
}

/**
 * Adds up what both VMs have, again and again. Two QEMUs can't be read at one instant: the first is
 * read before and after the second, and the smaller one counts, so that memory that changes hands
 * in between is not counted twice.
 */
function watchCapacity() {
  let [isOver, looks, mostMiB] = [false, 0, 0];
  const done = until(
    "the watch is over",
    async () => {
      const [before, second, after] = [
        await memMiB(FIRST),
        await memMiB(SECOND),
        await memMiB(FIRST),
      ];
      mostMiB = Math.max(mostMiB, Math.min(before, after) + second + 2 * OVERHEAD_MIB);
      looks += 1;
      return isOver;
    },
    { withinMs: 300_000 },
  );
  done.catch(() => undefined);
  return {
    stop: async () => {
      isOver = true;
      await done;
      return { looks, mostMiB };
    },
  };
}
