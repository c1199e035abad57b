// Monitors that must do well, the quick checks of all of them at once; monitor-slow.test.ts has those that take their time.
// Our own monitor, a real process: every rule is kept. A model of the deployed one: its deviations are known to the profile
// "deployed-v1", and nothing else is wrong. What can't be judged is listed here.
import fs from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DeployedMonitor } from "../testing/deployed-monitor.ts";
import { idsOf, judgeMonitor, notPassed } from "../testing/judge.ts";
import { OurMonitors } from "../testing/our-monitors.ts";
import { type Group } from "./check.ts";
import { QUICK_MONITOR_CHECKS } from "./monitor-checks.ts";
import { profileNamed } from "./profile.ts";
import { type Profile, type Result } from "./run.ts";

const TOKEN = "s3cret";
const NO_TOKEN = "no --token was given";
const VERSION_1 = "this monitor speaks version 1 only";
/** Whether ours needs more memory is this machine's affair, so there may be nothing to see. */
const ASKS_FOR_MORE = "not-applicable v1/upscale-request: it has no need of more now";
const TIMEOUT_MS = 120_000;
/** A machine that is busy with other tests is slow. */
const PATIENCE = 3;
const DEPLOYED = profileNamed("deployed-v1", "monitor");
const DANGEROUS = "handshake/above-ours";
const DEVIATIONS = QUICK_MONITOR_CHECKS.map(({ id }) => id).filter(
  (id) => id in DEPLOYED.deviations && id !== DANGEROUS,
);

let ours: OurMonitors;
const deployed: DeployedMonitor[] = [];
beforeAll(async () => {
  ours = new OurMonitors();
  await ours.build();
});
afterAll(async () => {
  await Promise.all([ours.stop(), ...deployed.map((one) => one.stop())]);
});

async function judgedOurs(args: readonly string[], token?: string): Promise<readonly string[]> {
  const url = await ours.start(args);
  const how = { patience: PATIENCE, ...(token === undefined ? {} : { token }) };
  const results = await judgeMonitor(url, QUICK_MONITOR_CHECKS, how);
  expect(results).toHaveLength(QUICK_MONITOR_CHECKS.length);
  return notPassed(results).filter((one) => one !== ASKS_FOR_MORE);
}

async function startDeployed(): Promise<Readonly<{ monitor: DeployedMonitor; url: string }>> {
  const monitor = new DeployedMonitor();
  deployed.push(monitor);
  return { monitor, url: await monitor.listen() };
}

async function judgedDeployed(profile: Profile): Promise<readonly Result[]> {
  const { url } = await startDeployed();
  // Without the profile nothing would keep the kit from sending what crashes it.
  const isSafe = ({ id }: { id: string }) => profile === DEPLOYED || id !== DANGEROUS;
  const checks = QUICK_MONITOR_CHECKS.filter(isSafe);
  return await judgeMonitor(url, checks, { profile, mayBeDangerous: false });
}

function inapplicable(group: Group, why: string): readonly string[] {
  const ids = QUICK_MONITOR_CHECKS.filter((check) => check.group === group).map(({ id }) => id);
  return ids.map((id) => `not-applicable ${id}: ${why}`);
}

describe.concurrent("ours", { timeout: TIMEOUT_MS }, () => {
  test("by default", async () => {
    expect(await judgedOurs([])).toEqual(inapplicable("security", NO_TOKEN));
  });

  test("with --protocol-max 1", async () => {
    expect(await judgedOurs(["--protocol-max", "1"])).toEqual([
      `not-applicable handshake/identity: ${VERSION_1}`,
      ...inapplicable("security", NO_TOKEN),
      ...inapplicable("version 2", VERSION_1),
    ]);
  });

  test("with a token", async () => {
    const file = path.join(ours.dir, "token");
    fs.writeFileSync(file, `${TOKEN}\n`);
    expect(await judgedOurs(["--token", file, "--require-auth"], TOKEN)).toEqual([]);
  });
});

describe.concurrent("the deployed one", { timeout: TIMEOUT_MS }, () => {
  test("with its profile nothing fails, and each deviation is one", async () => {
    const results = await judgedDeployed(DEPLOYED);
    expect(idsOf(results, "fail")).toEqual([]);
    expect(idsOf(results, "deviation")).toEqual(DEVIATIONS);
    expect(notPassed(results).filter((one) => !one.startsWith("deviation"))).toEqual([
      `not-applicable handshake/identity: ${VERSION_1}`,
      `not-applicable ${DANGEROUS}: crashes deployed peers; --dangerous does it`,
      ...inapplicable("security", NO_TOKEN),
      ASKS_FOR_MORE,
      ...inapplicable("version 2", VERSION_1),
    ]);
  });

  test("without it each of them fails", async () => {
    const results = await judgedDeployed(profileNamed("selfscale", "monitor"));
    expect(idsOf(results, "fail")).toEqual(DEVIATIONS);
  });

  test("what is known to crash it is sent only when asked for", async () => {
    const { monitor, url } = await startDeployed();
    const checks = QUICK_MONITOR_CHECKS.filter(({ id }) => id === DANGEROUS);
    const how = { profile: DEPLOYED, mayBeDangerous: false };
    expect(idsOf(await judgeMonitor(url, checks, how), "not-applicable")).toEqual([DANGEROUS]);
    expect(monitor.isAborted).toBe(false);
    const asked = { profile: DEPLOYED, mayBeDangerous: true };
    expect(idsOf(await judgeMonitor(url, checks, asked), "deviation")).toEqual([DANGEROUS]);
    expect(monitor.isAborted).toBe(true);
  });
});
