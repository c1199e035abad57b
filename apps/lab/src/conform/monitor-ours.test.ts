// Our own monitor, a real process: every rule is kept, and what can't be judged is listed here. Those that take their
// time are in monitor-slow.test.ts.
import fs from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { judgeMonitor, notPassed } from "../testing/judge.ts";
import { OurMonitors } from "../testing/our-monitors.ts";
import { type Group } from "./check.ts";
import { QUICK_MONITOR_CHECKS } from "./monitor-checks.ts";

const TOKEN = "s3cret";
/** Whether it needs more memory is this machine's affair, so this one may have nothing to see. */
const ASKS_FOR_MORE = "not-applicable v1/upscale-request: it has no need of more now";
const TIMEOUT_MS = 120_000;
/** A machine that is busy with other tests is slow. */
const PATIENCE = 3;

let monitors: OurMonitors;
beforeAll(async () => {
  monitors = new OurMonitors();
  await monitors.build();
});
afterAll(() => monitors.stop());

async function judged(args: readonly string[], token?: string): Promise<readonly string[]> {
  const url = await monitors.start(args);
  const how = { patience: PATIENCE, ...(token === undefined ? {} : { token }) };
  const results = await judgeMonitor(url, QUICK_MONITOR_CHECKS, how);
  expect(results).toHaveLength(QUICK_MONITOR_CHECKS.length);
  return notPassed(results).filter((one) => one !== ASKS_FOR_MORE);
}

function inapplicable(group: Group, why: string): readonly string[] {
  const ids = QUICK_MONITOR_CHECKS.filter((check) => check.group === group).map(({ id }) => id);
  return ids.map((id) => `not-applicable ${id}: ${why}`);
}

test.concurrent(
  "by default",
  async () => {
    expect(await judged([])).toEqual(inapplicable("security", "no --token was given"));
  },
  TIMEOUT_MS,
);

test.concurrent(
  "with --protocol-max 1",
  async () => {
    expect(await judged(["--protocol-max", "1"])).toEqual([
      "not-applicable handshake/identity: this monitor speaks version 1 only",
      ...inapplicable("security", "no --token was given"),
      ...inapplicable("version 2", "this monitor speaks version 1 only"),
    ]);
  },
  TIMEOUT_MS,
);

test.concurrent(
  "with a token",
  async () => {
    const file = path.join(monitors.dir, "token");
    fs.writeFileSync(file, `${TOKEN}\n`);
    expect(await judged(["--token", file, "--require-auth"], TOKEN)).toEqual([]);
  },
  TIMEOUT_MS,
);
