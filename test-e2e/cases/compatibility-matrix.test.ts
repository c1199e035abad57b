// Every kind of peer with today's other side, as real processes in a real guest: who decides, does the size follow, and is
// nothing lost while a peer is replaced. The table in docs/protocol.md is what is observed here; UPDATE_MATRIX=1 writes it.
import { afterAll, beforeAll, describe, expect, onTestFailed, test } from "vitest";
import { Arena, type Growth } from "../compat/arena.ts";
import { type Kind, kinds, withoutMetrics } from "../compat/kinds.ts";
import { type Side } from "../compat/peers.ts";
import { count, unaskedIn } from "../harness/agent-log.ts";
import { document, documented, matrix, type Observed } from "../compat/table.ts";

const SIDES = ["monitor", "agent"] as const satisfies readonly Side[];
const KINDS = await kinds();
const UPWARD = KINDS.slice(1).map((to, index) => ({ from: KINDS[index] as Kind, to }));
const SWITCHES = [
  ...UPWARD.map((pair) => ({ direction: "upgrade" as const, ...pair })),
  ...UPWARD.map(({ from, to }) => ({
    direction: "downgrade" as const,
    from: to,
    to: from,
  })).reverse(),
].map((one) => [`${one.direction}: ${one.from.name} → ${one.to.name}`, one] as const);
const [LOWEST] = KINDS as [Kind];
const SPEECHLESS = withoutMetrics(LOWEST);

const observed: Record<Side, Observed> = {
  monitor: { steady: [], replaced: [] },
  agent: { steady: [], replaced: [] },
};

describe.for(SIDES)("each kind of %s, and today's other side", (side) => {
  const { steady, replaced } = observed[side];
  let arena: Arena;
  beforeAll(async () => (arena = await Arena.start(side, KINDS)));
  afterAll(async () => await arena.stop());

  const explainFailure = () =>
    onTestFailed(async () => {
      process.stderr.write(await arena.story());
    });

  test(`${LOWEST.name}: its size follows need`, async () => {
    explainFailure();
    await arena.reachMode();
    steady.push({ kind: LOWEST, follows: follows(await arena.need()) });
    expect(steady).toMatchObject([{ follows: true }]);
  });

  // As tuples: a name of its own is shown whole.
  test.for(SWITCHES)("%s", async ([, { direction, from, to }], { annotate }) => {
    explainFailure();
    if (arena.peers.kind !== from) await arena.become(from);
    // Once for every version and mode the size must have come down again.
    if (direction === "downgrade" && way(from) !== way(to)) await arena.rest();
    await arena.prepare();
    const neededBefore = arena.neededBytes;
    const { result, least } = await arena.leastDuring(async () => {
      const change = await arena.switchTo(to);
      return { change, growth: await arena.need() };
    });
    const { change, growth } = result;
    const sizes = [change.had, growth.had, growth.need, growth.has].map(mib).join(", ");
    await annotate(`${to.mode} after ${change.tookMs} ms; had, then, needed, has: ${sizes} MiB`);
    const kept = change.least >= change.had && least >= neededBefore;
    replaced.push({
      ...{ direction, from, to, kept, follows: follows(growth) },
      modes: modesOf(from, change.modes),
    });
    if (direction === "upgrade") steady.push({ kind: to, follows: follows(growth) });
    await arena.expectNoKills();
    expect({ change, growth, least, neededBefore, ...replaced.at(-1) }).toMatchObject({
      kept: true,
      follows: true,
      modes: modesOf(from, ["held", to.mode]),
    });
  });

  test(`${LOWEST.name}: its size comes down when the need ends`, async () => {
    explainFailure();
    await arena.rest();
    // On all the way to here nothing was taken unasked, and nobody said what the other one did not understand.
    const log = await arena.peers.agent.log();
    expect(unaskedIn(log)).toEqual([]);
    expect(count(log, "peer-mistake")).toBe(0);
  });

  test(`${SPEECHLESS.name}: it is held, and grows when it runs out`, async () => {
    explainFailure();
    await arena.become(SPEECHLESS);
    steady.unshift({ kind: SPEECHLESS, follows: follows(await arena.need()) });
    await arena.expectNoKills();
    expect(steady[0]).toMatchObject({ follows: true });
  });
});

test("docs/protocol.md shows what was observed", async () => {
  const text = await matrix(observed);
  if (process.env["UPDATE_MATRIX"] === "1") document(text);
  expect(documented()).toBe(text);
});

/** It could not be had in what there was. */
function follows({ had, has, need }: Growth): boolean {
  return has > had && has >= need;
}

function mib(bytes: number): number {
  return Math.round(bytes / 2 ** 20);
}

function way({ version, mode }: Kind): string {
  return `${mode} on version ${version}`;
}

/** An agent that starts is held before it has said so. */
function modesOf(from: Kind, modes: readonly string[]): string[] {
  const after = modes[0] === "held" ? modes : ["held", ...modes];
  return [from.mode, ...after];
}
