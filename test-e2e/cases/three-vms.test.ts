// Three VMs with weights on a node with room for one of them: what was lent is asked back, agreed to, and shared by weight.
import { afterAll, beforeAll, expect, test } from "vitest";
import { Contention, NODE_MIB, OVERHEAD_MIB } from "../harness/contention.ts";
import { guestView } from "../harness/guest-view.ts";
import { until } from "../harness/until.ts";

let contention: Contention;

beforeAll(async () => {
  contention = await Contention.start();
  await contention.atRest();
});

afterAll(async () => {
  await contention.stop();
});

test("room that was lent is asked back from its holder, who agrees, and goes to who needs it", async () => {
  const watch = watchCapacity();
  const kills = await killed();
  await contention.lend();
  const lentMib = await contention.memMiB("bronze");
  expect(lentMib).toBeGreaterThan(1300);

  contention.contend();
  await contention.waiting();
  const gold = await contention.agent.vm("gold");
  expect(gold.verdict, "it is told by which rule, and who holds the room").toMatchObject({
    holders: expect.arrayContaining([expect.objectContaining({ vm: "bronze" })]) as unknown,
  });

  await contention.shared();
  expect(await contention.memMiB("bronze")).toBeLessThan(lentMib);
  // It never stopped wanting it; it gave back what it did not use, each slice by its monitor's consent.
  const bronze = await contention.agent.vm("bronze");
  expect(bronze.desired?.memBytes).toBeGreaterThan(bronze.actual?.memBytes ?? Infinity);
  const told = bronze.notes.map(({ reason }) => reason);
  expect(told).toEqual(expect.arrayContaining(["recalled", "consent-given"]));
  expect(await killed()).toBe(kills);

  const { looks, mostMiB } = await watch.stop();
  expect(looks).toBeGreaterThan(20);
  expect(mostMiB).toBeLessThanOrEqual(NODE_MIB);
});

async function killed(): Promise<number> {
  let sum = 0;
  for (const guest of contention.stack.guests) sum += (await guestView(guest)).oomKills;
  return sum;
}

/**
 * Adds up what all three have, again and again. They can't be read at one instant: each is read before and after the
 * others, and the smaller counts, so that memory that changes hands in between is not counted twice.
 */
function watchCapacity() {
  let [isOver, looks, mostMiB] = [false, 0, 0];
  const read = () =>
    Promise.all((["gold", "silver", "bronze"] as const).map((name) => contention.memMiB(name)));
  const done = until(
    "the watch is over",
    async () => {
      const [before, after] = [await read(), await read()];
      const sum = before.reduce((all, mib, index) => all + Math.min(mib, after[index] ?? mib), 0);
      mostMiB = Math.max(mostMiB, sum + 3 * OVERHEAD_MIB);
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
