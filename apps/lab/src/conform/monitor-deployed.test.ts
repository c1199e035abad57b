// The profile "deployed-v1" against a model of the deployed monitor: its deviations are known and nothing else is wrong.
// Those that take their time are in monitor-slow.test.ts.
import { afterAll, beforeAll, expect, test } from "vitest";
import { DeployedMonitor } from "../testing/deployed-monitor.ts";
import { idsOf, judgeMonitor, notPassed } from "../testing/judge.ts";
import { QUICK_MONITOR_CHECKS } from "./monitor-checks.ts";
import { profileNamed } from "./profile.ts";
import { type Profile, type Result } from "./run.ts";

const DEPLOYED = profileNamed("deployed-v1", "monitor");
const DANGEROUS = "handshake/above-ours";
const DEVIATIONS = QUICK_MONITOR_CHECKS.map(({ id }) => id).filter(
  (id) => id in DEPLOYED.deviations && id !== DANGEROUS,
);

const running: DeployedMonitor[] = [];
let known: readonly Result[] = [];
let unknown: readonly Result[] = [];

async function start(): Promise<Readonly<{ monitor: DeployedMonitor; url: string }>> {
  const monitor = new DeployedMonitor();
  running.push(monitor);
  return { monitor, url: await monitor.listen() };
}

async function judged(profile: Profile): Promise<readonly Result[]> {
  const { url } = await start();
  return await judgeMonitor(url, QUICK_MONITOR_CHECKS, { profile, mayBeDangerous: false });
}

beforeAll(async () => {
  const profiles = [DEPLOYED, profileNamed("selfscale", "monitor")];
  [known = [], unknown = []] = await Promise.all(profiles.map(judged));
}, 60_000);
afterAll(async () => {
  await Promise.all(running.map((one) => one.stop()));
});

test("with the profile nothing fails, each deviation is one, and what can't be judged says why", () => {
  expect(idsOf(known, "fail")).toEqual([]);
  expect(idsOf(known, "deviation")).toEqual(DEVIATIONS);
  const version2 = QUICK_MONITOR_CHECKS.filter(({ group }) => group === "version 2");
  expect(notPassed(known).filter((one) => !one.startsWith("deviation"))).toEqual([
    "not-applicable handshake/identity: this monitor speaks version 1 only",
    `not-applicable ${DANGEROUS}: crashes deployed peers; --dangerous does it`,
    "not-applicable security/token-asked: no --token was given",
    "not-applicable security/token-admits: no --token was given",
    "not-applicable security/refused-displaces-nobody: no --token was given",
    "not-applicable v1/upscale-request: it has no need of more now",
    ...version2.map(({ id }) => `not-applicable ${id}: this monitor speaks version 1 only`),
  ]);
});

test("without it each of them fails", () => {
  expect(idsOf(unknown, "fail")).toEqual(DEVIATIONS);
});

test("what is known to crash it is sent only when asked for", async () => {
  const { monitor, url } = await start();
  const checks = QUICK_MONITOR_CHECKS.filter(({ id }) => id === DANGEROUS);
  const how = { profile: DEPLOYED, mayBeDangerous: false };
  expect(idsOf(await judgeMonitor(url, checks, how), "not-applicable")).toEqual([DANGEROUS]);
  expect(monitor.isAborted).toBe(false);
  const asked = { profile: DEPLOYED, mayBeDangerous: true };
  expect(idsOf(await judgeMonitor(url, checks, asked), "deviation")).toEqual([DANGEROUS]);
  expect(monitor.isAborted).toBe(true);
});
