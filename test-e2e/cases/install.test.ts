// The one command that installs the monitor, in a real Debian guest without systemd: run, run again, killed, taken away.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { REPOSITORY } from "../guest/cache.ts";
import { type Guest, startGuest } from "../harness/guest.ts";
import { putFile } from "../harness/put-file.ts";
import { until } from "../harness/until.ts";

const INSTALL = "sh /run/install.sh";
const GUARANTEED_BYTES = 96 * 2 ** 20;

let guest: Guest;

/** What a command printed; it must have succeeded. */
async function out(command: string): Promise<string> {
  const { code, stdout, stderr } = await guest.exec(command);
  expect(code, `${command}: ${stderr}`).toBe(0);
  return stdout;
}

/** Of the one monitor there is; null when there is none. */
async function monitorPid(): Promise<string | null> {
  const { stdout } = await guest.exec("pgrep -f '[s]elfscale-monitor[.]cjs'");
  const pids = stdout.trim().split("\n");
  expect(pids).toHaveLength(1);
  return pids[0] === "" ? null : (pids[0] ?? null);
}

const answers = async () =>
  await fetch(guest.metricsUrl, { signal: AbortSignal.timeout(2_000) }).then(
    (reply) => reply.ok,
    () => false,
  );

beforeAll(async () => {
  guest = await startGuest({ name: "install" });
  // The image's own is in the way.
  await out("pkill -KILL supervise-monit; pkill -KILL -x node");
  await putFile(
    guest,
    "/run/install.sh",
    readFileSync(join(REPOSITORY, "dist/selfscale-monitor-install.sh")),
  );
});
afterAll(async () => await guest.kill());

describe("selfscale-monitor-install.sh", () => {
  test("refuses a node that is too old, and touches nothing", async () => {
    await out("printf '#!/bin/sh\\necho v18.19.0\\n' >/run/node18; chmod 755 /run/node18");
    const { code, stderr } = await guest.exec(`${INSTALL} --node /run/node18`);
    expect([code, stderr]).toEqual([
      2,
      "selfscale-monitor: /run/node18 is v18.19.0, and 20.19 or later is needed; name another with --node\n",
    ]);
    expect((await guest.exec("ls -d /usr/local/lib/selfscale")).code).not.toBe(0);
  });

  test("installs and starts it, protected, and its command works", async () => {
    const said = await out(INSTALL);
    expect(said).toContain("installed /usr/local/lib/selfscale/selfscale-monitor.cjs");
    expect(said).toContain("started, under supervise-monitor");
    await until("the monitor answers", answers);
    const pid = (await monitorPid()) ?? "none";
    expect(await out(`cat /proc/${pid}/oom_score_adj`)).toBe("-900\n");
    expect(await out("cat /sys/fs/cgroup/selfscale-monitor/memory.min")).toBe(
      `${GUARANTEED_BYTES}\n`,
    );
    expect((await out(`cat /proc/${pid}/cgroup`)).trim()).toBe("0::/selfscale-monitor");
    expect(await out("/usr/local/bin/selfscale-monitor status")).toMatch(
      /^desired +\S+ vCPU, 512 MiB/,
    );
    // Node's own pages are this group's, though another had read them before, …
    const stat = await out("cat /sys/fs/cgroup/selfscale-monitor/memory.stat");
    expect(Number(/^file (\d+)$/m.exec(stat)?.[1])).toBeGreaterThan(10 * 2 ** 20);
    // … and all of it fits in what is guaranteed, or a part of it would be reclaimed all the same.
    const held = Number(await out("cat /sys/fs/cgroup/selfscale-monitor/memory.current"));
    expect(held).toBeLessThan(GUARANTEED_BYTES);
  });

  test("said again it changes nothing, and the same monitor runs on", async () => {
    const before = await monitorPid();
    const said = await out(INSTALL);
    expect(said).not.toMatch(/ (installed|updated|started)/);
    expect(said).toContain("runs already, under supervise-monitor");
    expect(await monitorPid()).toBe(before);
  });

  test("other settings and one start more: the new monitor has them", async () => {
    await out(`sed -i 's/ARGS="/&--log-level debug /' /etc/default/selfscale-monitor`);
    const before = await monitorPid();
    await out(`kill -KILL ${before ?? ""}`);
    const after = await until("another runs", async () => {
      const { stdout } = await guest.exec("pgrep -f '[s]elfscale-monitor[.]cjs'");
      return /^\d+\n$/.test(stdout) && stdout.trim() !== before ? stdout.trim() : null;
    });
    await until("it answers", answers);
    expect(await out(`tr '\\0' ' ' </proc/${after}/cmdline`)).toContain("--log-level debug");
  });

  test("a second supervisor gives way", async () => {
    const { code, stderr } = await guest.exec("/usr/local/lib/selfscale/supervise-monitor");
    expect([code, stderr]).toEqual([1, "supervise-monitor: already running\n"]);
  });

  test("--uninstall leaves nothing but the settings, and said again finds nothing", async () => {
    await out("mkdir -p /run/selfscale-postgres/5432"); // as a monitor with PostgreSQL has it
    expect(await out(`${INSTALL} --uninstall`)).toContain("stopped");
    expect(await monitorPid()).toBeNull();
    expect(await answers()).toBe(false);
    const left = await guest.exec(
      "ls -d /usr/local/*/*selfscale* /run/selfscale* /sys/fs/cgroup/selfscale*",
    );
    expect(left.stdout).toBe("");
    expect(await out(`${INSTALL} --uninstall --purge`)).toContain("removed /etc/default");
    expect(await out(`${INSTALL} --uninstall --purge`)).toBe(
      "selfscale-monitor: was not installed\n",
    );
  });

  test("wrong settings end the supervisor, which says why", async () => {
    await out(INSTALL);
    await until("the monitor answers", answers);
    await out("echo 'ARGS=--preset=fast' >/etc/default/selfscale-monitor; pkill -KILL -x node");
    await until("it gave up", async () => {
      return (await guest.exec("flock -n /run/selfscale/supervise.lock true")).code === 0;
    });
    const log = await out("tail -n 2 /var/log/selfscale-monitor.log");
    expect(log).toContain('--preset: "fast" is not accepted');
    expect(log).toContain("the monitor ended with 2");
  });
});
