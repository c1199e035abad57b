// The rules that only time can show, against every monitor that the other tests have. All at once: they
// wait, and do little. It takes 35 s, which is the longest of them.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DeployedMonitor } from "../testing/deployed-monitor.ts";
import { judgeMonitor, idsOf, notPassed } from "../testing/judge.ts";
import { isNoticed, SLOW_DEFECTS, type Defect } from "../testing/monitor-defects.ts";
import { OurMonitors } from "../testing/our-monitors.ts";
import { ScriptedMonitor } from "../testing/scripted-monitor.ts";
import { SLOW_MONITOR_CHECKS } from "./monitor-checks.ts";
import { profileNamed } from "./profile.ts";
import { type Profile, type Result } from "./run.ts";

const SELFSCALE = profileNamed("selfscale", "monitor");
const DEPLOYED = profileNamed("deployed-v1", "monitor");
const DEFECT_NAMES = Object.keys(SLOW_DEFECTS) as (keyof typeof SLOW_DEFECTS)[];
const IDS = SLOW_MONITOR_CHECKS.map(({ id }) => id);
const VERSION_2 = IDS.filter((id) => id.startsWith("v2/"));

type Running = Readonly<{ url: string; stop: () => Promise<void> }>;
type Row = Readonly<{ start: () => Promise<Running>; profile?: Profile; patience?: number }>;

let ours: OurMonitors;
const results = new Map<string, readonly Result[]>();

async function running(
  monitor: Readonly<{ listen: () => Promise<string>; stop: () => Promise<void> }>,
): Promise<Running> {
  return { url: await monitor.listen(), stop: () => monitor.stop() };
}

/** Ours are stopped together. A machine that is busy with other tests is slow, hence the patience. */
function our(...args: readonly string[]): Row {
  const start = async () => ({ url: await ours.start(args), stop: () => Promise.resolve() });
  return { start, patience: 2 };
}

function scripted(defect: Defect | null): Row {
  return { start: () => running(new ScriptedMonitor({ defect })) };
}

function deployed(profile: Profile): Row {
  return { start: () => running(new DeployedMonitor()), profile };
}

const ROWS: ReadonlyMap<string, Row> = new Map([
  ["ours", our()],
  ["ours on version 1", our("--protocol-max", "1")],
  ["deployed, known", deployed(DEPLOYED)],
  ["deployed, unknown", deployed(SELFSCALE)],
  ["without defects", scripted(null)],
  ...DEFECT_NAMES.map((defect) => [defect, scripted(defect)] as const),
]);

/** The longest alone, the others one after another: each part on a monitor of its own. */
const LONGEST = ["v2/rests-when-met", "transport/silence"];
const PARTS = [
  ...LONGEST.map((longest) => SLOW_MONITOR_CHECKS.filter(({ id }) => id === longest)),
  SLOW_MONITOR_CHECKS.filter(({ id }) => !LONGEST.includes(id)),
];

async function judged({ start, ...how }: Row): Promise<readonly Result[]> {
  const parts = PARTS.map(async (checks) => {
    const { url, stop } = await start();
    try {
      return await judgeMonitor(url, checks, how);
    } finally {
      await stop();
    }
  });
  const done = (await Promise.all(parts)).flat();
  return done.sort((a, b) => IDS.indexOf(a.id) - IDS.indexOf(b.id));
}

beforeAll(async () => {
  ours = new OurMonitors();
  await ours.build();
  await Promise.all([...ROWS].map(async ([name, row]) => results.set(name, await judged(row))));
}, 180_000);
afterAll(() => ours.stop());

function resultsOf(name: string): readonly Result[] {
  const found = results.get(name) ?? [];
  expect(found.map(({ id }) => id)).toEqual(IDS);
  return found;
}

test.for(["ours", "without defects"])("%s: all pass", (name) => {
  expect(notPassed(resultsOf(name))).toEqual([]);
});

test("ours on version 1: version 2 can't be judged", () => {
  expect(notPassed(resultsOf("ours on version 1"))).toEqual(
    VERSION_2.map((id) => `not-applicable ${id}: this monitor speaks version 1 only`),
  );
});

test("the deployed monitor's deviations are known to its profile only", () => {
  const deviations = IDS.filter((id) => id in DEPLOYED.deviations);
  expect(deviations).not.toEqual([]);
  const known = resultsOf("deployed, known");
  expect(idsOf(known, "fail")).toEqual([]);
  expect(idsOf(known, "deviation")).toEqual(deviations);
  expect(idsOf(known, "not-applicable")).toEqual(VERSION_2);
  expect(idsOf(resultsOf("deployed, unknown"), "fail")).toEqual(deviations);
});

describe("is noticed", () => {
  test.for(DEFECT_NAMES)("%s", (defect) => {
    const seen = resultsOf(defect);
    const expected = IDS.filter((id) => isNoticed(defect, id));
    expect(expected).not.toEqual([]);
    expect(idsOf(seen, "fail"), notPassed(seen).join("\n")).toEqual(expected);
  });
});
