// A version-1 compute: its metrics decide, by the deployed formula, and memory follows; down again only by consent.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { guestView } from "../harness/guest-view.ts";
import { type Guest, startGuest } from "../harness/guest.ts";
import { AgentProcess } from "../harness/agent-process.ts";
import { entryFor } from "../harness/stack.ts";
import { MIB, Truth } from "../harness/truth.ts";
import { until } from "../harness/until.ts";

const UNIT_CPU = 0.5;
const UNIT_MIB = 512;
/** As the deployed configuration has them. */
const LOAD_TARGET = 0.9;
const MEMORY_TARGET = 0.75;
/** What the deployed agent adds to measured use. */
const KERNEL_MIB = 100;
const MAX_UNITS = 5;

let guest: Guest;
let truth: Truth;
let agent: AgentProcess;

beforeAll(async () => {
  guest = await startGuest({
    name: "old",
    monitorArgs: ["--preset", "demo", "--protocol-max", "1"],
  });
  truth = await Truth.open(guest.truthPath);
  agent = await AgentProcess.start({
    node: { cpu: 8, mem: "8Gi" },
    legacy: { computeUnit: { cpu: UNIT_CPU, mem: `${UNIT_MIB}Mi` } },
    vms: [{ ...entryFor(guest), metrics: guest.metricsUrl }],
    timers: { metricsModeAfterMs: 2_000, scrapeEveryMs: 1_000, retryMinMs: 1_000 },
  });
});

afterAll(async () => {
  truth.close();
  await agent.stop();
  await guest.kill();
});

describe("a VM with a version-1 monitor", () => {
  test("is sized by its metrics, up and down", async () => {
    await until("its metrics decide", async () => (await agent.vm("old")).mode === "metrics-based");
    expect((await agent.vm("old")).link.version).toBe(1);
    const kills = (await guestView(guest)).oomKills;

    const load = guest.exec(
      "burn --cpus 1 --seconds 18 & touch-loop --mib 800 --rate 80 --hold 15; code=$?; wait; exit $code",
      { timeoutMs: 150_000 },
    );
    const peak = await until(
      "its size is what the formula says, and more than before",
      async () => {
        const [goal, units] = [await goalByMetrics(), await unitsHeld()];
        return goal >= 3 && Math.abs(goal - units) <= 1 && units >= 3 ? units : null;
      },
    );
    const { code, stderr } = await load;
    expect(code, stderr).toBe(0);
    expect((await guestView(guest)).oomKills).toBe(kills);

    await until(
      "it has come down with its goal",
      async () => {
        const [goal, units] = [await goalByMetrics(), await unitsHeld()];
        return units < peak && units <= 2 && Math.abs(goal - units) <= 1;
      },
      { withinMs: 120_000 },
    );
    const log = await agent.log();
    const agreed = new Set(
      log.filter((line) => line.reason === "consent-given").map((line) => dataOf(line)["ask"]),
    );
    const shrinks = log.filter((line) => {
      const { fromBytes, requestedBytes } = dataOf(line);
      return line.reason === "resize-begun" && Number(requestedBytes) < Number(fromBytes);
    });
    expect(shrinks.length).toBeGreaterThan(0);
    for (const shrink of shrinks) expect(agreed).toContain(dataOf(shrink)["ask"]);
    // The kernel's count, after it all: nobody was killed on the way down either.
    expect((await guestView(guest)).oomKills).toBe(kills);
  });
});

/** The deployed formula on the page as it is now, without our agent's code. Compute units. */
async function goalByMetrics(): Promise<number> {
  const text = await (await fetch(guest.metricsUrl)).text();
  const value = (name: string) => {
    const found = new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1];
    if (found === undefined) throw new Error(`the page has no ${name}`);
    return Number(found);
  };
  const usedMiB =
    (value("host_memory_total_bytes") - value("host_memory_available_bytes")) / MIB + KERNEL_MIB;
  const byCpu = Math.round(value("host_load1") / LOAD_TARGET / UNIT_CPU);
  const byMemory = Math.ceil(usedMiB / MEMORY_TARGET / UNIT_MIB);
  return Math.min(Math.max(byCpu, byMemory, 1), MAX_UNITS);
}

/** What QEMU says it has. Compute units. */
async function unitsHeld(): Promise<number> {
  return (await truth.size()).memBytes / MIB / UNIT_MIB;
}

function dataOf(line: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return (line["data"] ?? {}) as Readonly<Record<string, unknown>>;
}
