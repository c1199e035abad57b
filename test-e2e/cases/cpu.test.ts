// CPU of a real guest: up by plugging and by quota, down by consent and by quota, and never up and down for ever.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type LogLine } from "../harness/agent-process.ts";
import { guestView } from "../harness/guest-view.ts";
import { cgroupUnavailable } from "../harness/guest.ts";
import { Stack } from "../harness/stack.ts";
import { until } from "../harness/until.ts";

const DEMO = ["--preset", "demo"];
const WITHOUT = cgroupUnavailable();
const REASON = WITHOUT === null ? "" : ` (skipped: ${WITHOUT})`;

describe.skipIf(WITHOUT !== null)(`a guest in a CPU cgroup${REASON}`, () => {
  let stack: Stack;
  let quota: QuotaFile;
  beforeAll(async () => {
    stack = await Stack.start({ guests: [{ name: "quota", cgroup: true, monitorArgs: DEMO }] });
    quota = new QuotaFile(stack.guest.cgroup ?? "");
    await untilDecides(stack);
  });
  afterAll(async () => {
    await stack.stop();
  });

  test("gets three CPUs for three tasks, and gives all but one back by consent", async () => {
    await until("the quota is what it has", () => quota.milliCpu() === 1000);
    const deleted = watchDeletions(stack);
    const load = stack.guest.exec("burn --cpus 3 --seconds 20", { timeoutMs: 120_000 });
    const peak = await until("it has three CPUs", async () => {
      const { vcpus } = await stack.truth.size();
      return vcpus >= 3 && quota.milliCpu() >= 3000 ? vcpus : null;
    });
    await until("the guest uses them", async () => (await guestView(stack.guest)).onlineCpus >= 3);
    expect((await load).code).toBe(0);

    await until("the quota is one CPU again", () => quota.milliCpu() === 1000, {
      withinMs: 120_000,
    });
    await until(
      "the guest uses one CPU",
      async () => (await guestView(stack.guest)).onlineCpus === 1,
    );
    await until("the ladder says so", async () => {
      return (await stack.ladder()).actual?.milliCpu === 1000;
    });
    // device_del is not proven safe: a plugged CPU stays.
    expect((await stack.truth.size()).vcpus).toBe(peak);
    expect(deleted).toEqual([]);
    const shrinks = agreedShrinks(await stack.agent.log());
    expect(shrinks.length).toBeGreaterThan(0);
    for (const shrink of shrinks) expect(shrink.consent, shrink.msg).toBeDefined();
  });
});

describe("a guest without a cgroup", () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await Stack.start({ guests: [{ name: "free", monitorArgs: DEMO }] });
    await untilDecides(stack);
  });
  afterAll(async () => {
    await stack.stop();
  });

  test("grows by plugging; a smaller size is advice that the guest follows", async () => {
    const deleted = watchDeletions(stack);
    const load = stack.guest.exec("burn --cpus 3 --seconds 20", { timeoutMs: 120_000 });
    const peak = await until("it has three CPUs", async () => {
      const { vcpus } = await stack.truth.size();
      return vcpus >= 3 ? vcpus : null;
    });
    await until("the guest uses them", async () => (await guestView(stack.guest)).onlineCpus >= 3);
    expect((await load).code).toBe(0);

    await until(
      "the guest uses one CPU",
      async () => (await guestView(stack.guest)).onlineCpus === 1,
      { withinMs: 120_000 },
    );
    const ladder = await until("the ladder says why", async () => {
      const seen = await stack.ladder();
      return seen.reason === "no-cpu-quota" ? seen : null;
    });
    expect(ladder.requested?.milliCpu).toBe(1000);
    // They are plugged, so they count, whatever the guest does with them.
    const { vcpus } = await stack.truth.size();
    expect(ladder.actual?.milliCpu).toBe(vcpus * 1000);
    expect(vcpus).toBe(peak);
    expect(deleted).toEqual([]);
  });
});

async function untilDecides(stack: Stack): Promise<void> {
  await until("the monitor decides", async () => {
    return (await stack.ladder()).mode === "compute-controlled";
  });
}

/** The kernel's own word on the limit of a cgroup, version 1 or 2. */
class QuotaFile {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Infinity: no limit. */
  milliCpu(): number {
    const path = (file: string) => join(this.#folder, file);
    const read = (file: string) => readFileSync(path(file), "utf8").trim();
    const text = existsSync(path("cpu.max"))
      ? read("cpu.max")
      : `${read("cpu.cfs_quota_us")} ${read("cpu.cfs_period_us")}`;
    const [quota = NaN, period = NaN] = text.split(" ").map(Number);
    return quota > 0 ? Math.round((quota / period) * 1000) : Infinity;
  }
}

/** What QEMU says when somebody asks it to take a device away. */
function watchDeletions(stack: Stack): string[] {
  const seen: string[] = [];
  for (const name of ["DEVICE_DELETED", "DEVICE_UNPLUG_GUEST_ERROR"] as const) {
    stack.truth.qmp.on(name, () => seen.push(name));
  }
  return seen;
}

/** Every lowering of the quota, with the consent that it names. */
function agreedShrinks(log: readonly LogLine[]): { msg: string; consent: LogLine | undefined }[] {
  const askOf = (line: LogLine) => (line["data"] as { ask?: number } | undefined)?.ask;
  return log.flatMap((line, index) => {
    const { msg = "", reason } = line;
    if (reason !== "resize-begun" || !/^CPU to .*, (as agreed|a loan repaid)/.test(msg)) return [];
    const before = log.slice(0, index).reverse();
    const consent = before.find((candidate) => {
      return candidate.reason === "consent-given" && askOf(candidate) === askOf(line);
    });
    return [{ msg, consent }];
  });
}
