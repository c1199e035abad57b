// Whether the ground under the other tests holds: a guest starts, can be looked into, changes size, and is gone.
import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { isAlive, REPOSITORY } from "../guest/cache.ts";
import { removeLeftovers } from "./cleanup.ts";
import { cgroupUnavailable, type Guest, startGuest } from "./guest.ts";
import { guestView } from "./guest-view.ts";
import { MIB, Truth } from "./truth.ts";
import { until } from "./until.ts";

const PSQL = "psql -h 127.0.0.1 -U postgres -XAtqc";

describe("a restored guest", () => {
  let guest: Guest;
  let truth: Truth;
  beforeAll(async () => {
    guest = await startGuest({ name: "smoke", cgroup: cgroupUnavailable() === null });
    truth = await Truth.open(guest.truthPath);
  });
  afterAll(async () => {
    truth.close();
    await guest.kill();
  });

  test("runs commands, several at once, and tells their streams and codes apart", async () => {
    const [slow, loud, killed] = await Promise.all([
      guest.exec("sleep 1; echo done"),
      guest.exec("head -c 300000 /dev/zero; echo problem >&2; exit 3"),
      guest.exec("kill -KILL $$"),
    ]);
    expect(slow).toEqual({ code: 0, stdout: "done\n", stderr: "" });
    expect([loud.code, loud.stdout.length, loud.stderr]).toEqual([3, 300_000, "problem\n"]);
    expect(killed.code).toBe(128 + 9);
  });

  test("ends a command that takes too long", async () => {
    await expect(guest.exec("sleep 300.125", { timeoutMs: 500 })).rejects.toThrow("no answer");
    await until("it is gone in the guest", async () => {
      return (await guest.exec("pgrep -xf 'sleep 300.125'")).code === 1;
    });
  });

  test("has a database, and the time", async () => {
    expect((await guest.exec(`${PSQL} 'select 6 * 7'`)).stdout).toBe("42\n");
    const clock = Number((await guest.exec("date +%s")).stdout);
    expect(Math.abs(clock - Date.now() / 1000)).toBeLessThan(60);
  });

  test("is who it says, and as large as it was asked to be", async () => {
    const seen = await guest.exec("cat /sys/class/dmi/id/product_uuid");
    expect(seen.stdout.trim()).toBe(guest.uuid);
    expect((await truth.qmp.execute("query-uuid", {})).UUID).toBe(guest.uuid);
    const size = { vcpus: 1, memBytes: 512 * MIB, requestedBytes: 512 * MIB };
    expect(await truth.size()).toEqual({ ...size, runState: "running" });
  });

  test("its memory grows and shrinks", async () => {
    const before = (await guestView(guest)).memTotalBytes;
    await resizeTo(truth, 256);
    await until("the guest has it", async () => {
      return (await guestView(guest)).memTotalBytes === before + 256 * MIB;
    });
    await resizeTo(truth, 0);
    await until("QEMU has it back", async () => (await truth.size()).memBytes === 512 * MIB);
  });

  test("its monitor is started again when it ends", async () => {
    const pid = async () => (await guest.exec("cat /run/selfscale/monitor.pid")).stdout;
    const before = await pid();
    await guest.restartMonitor(["--log-level", "debug"]);
    expect(await pid()).not.toBe(before);
    const { stdout } = await guest.exec(
      "tr '\\0' ' ' </proc/$(cat /run/selfscale/monitor.pid)/cmdline",
    );
    expect(stdout).toContain("--log-level debug");
  });

  test.skipIf(cgroupUnavailable() !== null)("QEMU is in its cgroup with every thread", () => {
    const members = readFileSync(`${guest.cgroup ?? ""}/cgroup.procs`, "utf8");
    expect(members.trim()).toBe(String(guest.pid));
  });

  test("the exec channel answers while the guest has no memory left", async () => {
    const oomKillsBefore = (await guestView(guest)).oomKills;
    // Without this the guest thrashes for half a minute before the kernel gives up on the hog.
    await guest.exec(
      "echo y >/sys/kernel/mm/lru_gen/enabled; echo 1000 >/sys/kernel/mm/lru_gen/min_ttl_ms",
    );
    const hog = await guest.exec("touch-loop --mib 2000", { timeoutMs: 120_000 });
    expect(hog.code).toBe(128 + 9);
    expect((await guestView(guest)).oomKills).toBeGreaterThan(oomKillsBefore);
    expect((await guest.exec(`${PSQL} 'select 1'`)).stdout).toBe("1\n");
  });

  test("shuts down when asked, and leaves nothing", async () => {
    await guest.stop();
    expect(await guest.exited).toBe(0);
    expect(isAlive(guest.pid)).toBe(false);
    expect(existsSync(dirname(guest.qmpPath))).toBe(false);
    expect(guest.cgroup === null || !existsSync(guest.cgroup)).toBe(true);
  });
});

test.for([
  { whose: "its parent", wrapper: [] },
  // As vitest and tsx do it: what they start does not end with them.
  { whose: "its parent's parent", wrapper: ["node_modules/tsx/dist/cli.mjs"] },
])("a guest does not outlive $whose, however that ends", async ({ wrapper }) => {
  const module = pathToFileURL(`${import.meta.dirname}/guest.ts`).href;
  const script = `
    const { startGuest } = await import(${JSON.stringify(module)});
    const guest = await startGuest({ name: "orphan" });
    console.log("parent " + process.pid + " guest " + guest.pid);
    setInterval(() => undefined, 1000);`;
  const loader = wrapper.length === 0 ? ["--import", "tsx"] : [];
  const killed = spawn(
    process.execPath,
    [...wrapper, ...loader, "--input-type=module", "--eval", script],
    { cwd: REPOSITORY, stdio: ["ignore", "pipe", "inherit"] },
  );
  onTestFinished(() => void killed.kill("SIGKILL"));
  let printed = "";
  killed.stdout.setEncoding("utf8").on("data", (chunk: string) => (printed += chunk));
  const [, parent = "", pid = ""] = await until("it started a guest", () => {
    if (killed.exitCode !== null) throw new Error("it ended without starting a guest");
    return /parent (\d+) guest (\d+)\n/.exec(printed);
  });
  expect(isAlive(Number(pid))).toBe(true);
  expect(Number(parent) === killed.pid).toBe(wrapper.length === 0);
  killed.kill("SIGKILL");
  await until("the guest is gone", () => !isAlive(Number(pid)));
  await until("its parent is gone", () => !isAlive(Number(parent)));
  // Its folder may be left; the next to start a guest removes it.
  removeLeftovers();
  expect(readdirSync(tmpdir()).filter((name) => name.includes(`-${parent}-`))).toEqual([]);
});

async function resizeTo(truth: Truth, mib: number): Promise<void> {
  const property = { path: "/machine/peripheral/vm0", property: "requested-size" };
  await truth.qmp.execute("qom-set", { ...property, value: mib * MIB });
}
