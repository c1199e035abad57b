// The kit's checks of an agent: ours keeps every rule; one that breaks a rule fails exactly its checks; the deployed agent's
// deviations are known. All runs go on at once, for they wait most of their time.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type ProfileName } from "../cli.ts";
import { bundleOf, type Bundle } from "../testing/bundle.ts";
import { DEFECTS, type Defect } from "../testing/agent-defects.ts";
import { DeployedAgent } from "../testing/deployed-agent.ts";
import { runKit, withVerdict } from "../testing/kit-run.ts";
import { startRealAgent } from "../testing/real-agent.ts";
import { ScriptedAgent } from "../testing/scripted-agent.ts";
import { AGENT_CHECKS } from "./agent-checks.ts";
import { type Result } from "./run.ts";

const VM = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
const TOKEN = "a-token-of-a-test";
/** In haste, and with deadlines that keep room for a busy machine. */
const SCRIPTED = { vm: VM, token: TOKEN, tempo: 0.1, patience: 5 };
const REAL = { vm: VM, token: TOKEN, tempo: 0.25, patience: 4 };
/** No more patience: this one takes a link for dead after 45 s instead of 20. */
const DEPLOYED = { vm: null, token: null, tempo: 0.25, patience: 1.3 };
const ALL_WITHIN_MS = 240_000;

const NAMES = Object.keys(DEFECTS) as Defect[];
const scripted = new Map<Defect | null, readonly Result[]>();
const deployed = new Map<ProfileName, readonly Result[]>();
let real: readonly Result[] = [];
let agent: Bundle;
let lab: Bundle;

beforeAll(async () => {
  [agent, lab] = await Promise.all([bundleOf("agent"), bundleOf("lab")]);
  await Promise.all([
    runReal(),
    ...(["deployed-v1", "selfscale"] as const).map(runDeployed),
    ...[null, ...NAMES].map((defect) => runScripted(defect, SCRIPTED.tempo)),
  ]);
  // Haste has a price: where the machine stood still for a moment, a rule looks broken. Those have another, slower run.
  const odd = [null, ...NAMES].filter((defect) => !isAsExpected(defect));
  await Promise.all(odd.map((defect) => runScripted(defect, 3 * SCRIPTED.tempo)));
}, ALL_WITHIN_MS);

afterAll(() => {
  agent.remove();
  lab.remove();
});

async function runReal(): Promise<void> {
  const { tempo } = REAL;
  const start = (url: string) =>
    startRealAgent({ bundle: agent.file, url, vm: VM, token: TOKEN, tempo });
  real = await runKit({ place: REAL, checks: AGENT_CHECKS, start });
}

function expectedOf(defect: Defect | null): readonly string[] {
  return defect === null ? [] : [...DEFECTS[defect]].sort();
}

function isAsExpected(defect: Defect | null): boolean {
  const failed = Object.keys(withVerdict(scripted.get(defect) ?? [], "fail")).sort();
  return failed.join() === expectedOf(defect).join();
}

async function runScripted(defect: Defect | null, tempo: number): Promise<void> {
  const start = (url: string) => {
    const one = new ScriptedAgent({ url, vm: VM, token: TOKEN, tempo, defect });
    return () => one.stop();
  };
  scripted.set(defect, await runKit({ place: { ...SCRIPTED, tempo }, start }));
}

async function runDeployed(profile: ProfileName): Promise<void> {
  const start = (url: string) => {
    const one = new DeployedAgent({ url, tempo: DEPLOYED.tempo });
    return () => one.stop();
  };
  deployed.set(profile, await runKit({ place: DEPLOYED, profile, start }));
}

describe("our agent, a process with a real QEMU", () => {
  test("passes all that can be judged without a guest", () => {
    expect(withVerdict(real, "fail")).toEqual({});
    const why = "the memory of the agent's VM does not follow a ScaleRequest";
    expect(withVerdict(real, "not-applicable")).toEqual({
      "v2/growth-notified": why,
      "v1/scale-request-governs": why,
      "v2/shrink-slices": why,
      "v1/upscale-request": why,
      "always/asks-first": "nothing that was said shows it",
    });
    expect(Object.keys(withVerdict(real, "pass")).length).toBeGreaterThan(55);
  });
});

describe("an agent with one defect", () => {
  test("without it, it passes every check", () => {
    const all = scripted.get(null) ?? [];
    expect(withVerdict(all, "fail")).toEqual({});
    expect(withVerdict(all, "not-applicable")).toEqual({});
    expect(all.length).toBeGreaterThan(60);
  });

  test.for(NAMES)("%s", (defect) => {
    const failed = withVerdict(scripted.get(defect) ?? [], "fail");
    expect(Object.keys(failed).sort(), JSON.stringify(failed, null, 2)).toEqual(expectedOf(defect));
  });

  test("every check has a defect that it finds", () => {
    const found = new Set<string>([
      ...Object.values(DEFECTS).flat(),
      "transport/upgrade", // no websocket client can be made to take what was not offered
      "handshake/version-1", // an agent that can't do it fails all of version 1 with it
    ]);
    const unfound = (scripted.get(null) ?? []).map(({ id }) => id).filter((id) => !found.has(id));
    expect(unfound).toEqual([]);
  });
});

describe("the deployed agent", () => {
  /** What it does otherwise than the specification asks of an agent. */
  const DEVIATIONS = [
    ...["handshake/not-offered", "handshake/no-version", "v1/malformed", "v1/scale-request"],
    ...["v1/nonsense-limit", "v1/dead-link"],
  ];
  const PANICS = ["v1/early-upscale-request", "v1/wrong-kind"];

  test("fails nothing under its profile, and each deviation is told", () => {
    const known = deployed.get("deployed-v1") ?? [];
    expect(withVerdict(known, "fail")).toEqual({});
    const deviations = withVerdict(known, "deviation");
    expect(Object.keys(deviations).sort()).toEqual([...DEVIATIONS].sort());
    for (const why of Object.values(deviations)) expect(why).toContain("the deployed agent");
  });

  test("is not sent what crashes it, and not judged for what it does not speak", () => {
    const known = deployed.get("deployed-v1") ?? [];
    const unjudged = withVerdict(known, "not-applicable");
    for (const { id } of known) {
      const isUnspoken = /^(v2|security)\//.test(id) || id === "v1/scale-request-governs";
      expect(id in unjudged, id).toBe(isUnspoken || PANICS.includes(id));
    }
    for (const id of PANICS) expect(unjudged[id]).toContain("--dangerous");
  });

  test("fails for all of it without its profile", () => {
    const failed = withVerdict(deployed.get("selfscale") ?? [], "fail");
    expect(Object.keys(failed).sort()).toEqual([...DEVIATIONS, ...PANICS].sort());
  });
});

test("the command waits for an agent, shows what is broken with its frames, and exits with 1", async () => {
  const args = ["conform", "agent", "--listen", "0", "--only", "handshake/range"];
  const kit = spawn(process.execPath, [lab.file, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void kit.kill("SIGKILL"));
  let out = "";
  let wrong: ScriptedAgent | null = null;
  onTestFinished(() => wrong?.stop());
  kit.stdout.setEncoding("utf8").on("data", (text: string) => {
    const url = /ws:\S+\/monitor/.exec((out += text))?.[0];
    if (url === undefined || wrong !== null) return;
    wrong = new ScriptedAgent({ url, vm: VM, token: TOKEN, tempo: 0.1, defect: "offers min 2" });
  });
  const [code] = (await once(kit, "close")) as unknown[];
  expect(code, out).toBe(1);
  expect(out).toMatch(/FAIL .*handshake\/range/);
  expect(out).toContain('← {"min":2,"max":2');
  expect(out).toContain("0 passed, 1 failed");
}, 60_000);
