// The conformance kit at both ends of real guests: in an agent's place, authentication included, and in the place of a
// monitor while memory really moves. Kits mostly wait: three run at once, and an agent's checks are shared between two.
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AgentProcess } from "../harness/agent-process.ts";
import { makeRunDir } from "../harness/cleanup.ts";
import { listChecks, startKit, type Kit } from "../harness/conform.ts";
import { startGuest, type Guest } from "../harness/guest.ts";
import { entryFor } from "../harness/stack.ts";

/** All of them take under three minutes. */
const WITHIN_MS = 480_000;
const TOKEN = "a-token-of-a-test";
/** A guest at rest needs no more: then there is no UpscaleRequest to be judged. */
const MAY_BE_UNSEEN = ["v1/upscale-request", "always/early", "always/upscale-rate"];
/** Each judges what always holds by its own connections. */
const SHARES = ["handshake,v1,transport,security,always", "v2,always"];

let folder: string;
let token: string;
const guests: Guest[] = [];
const agents: AgentProcess[] = [];
let monitorKit: Kit;
const agentKits: Kit[] = [];

beforeAll(async () => {
  folder = await makeRunDir("agent");
  token = join(folder, "token");
  await writeFile(token, `${TOKEN}\n`);
  // Before any kit: each check has deadlines, and a guest that starts takes a core.
  for (const name of ["conform-monitor", ...SHARES.map((_, index) => `conform-agent-${index}`)]) {
    guests.push(await startGuest({ name }));
  }
  const [first, ...others] = guests as [Guest, ...Guest[]];
  const inGuest = "/run/token-of-a-test";
  await first.exec(`umask 077 && echo ${TOKEN} > ${inGuest}`);
  await first.restartMonitor(["--preset", "demo", "--token", inGuest]);
  for (const [index, only] of SHARES.entries()) {
    await startAgentKit(others[index] as Guest, only);
  }
  const options = ["--token", token, "--patience", "3", "--dangerous"];
  monitorKit = startKit("monitor", first.monitorUrl, ...options);
});

afterAll(async () => {
  for (const kit of [monitorKit, ...agentKits]) kit.end();
  for (const agent of agents) await agent.stop();
  for (const guest of guests) await guest.kill();
  await rm(folder, { recursive: true, force: true });
});

test(
  "the monitor in a guest breaks no rule, and what can't be judged is known",
  async () => {
    const { exitCode, failed, notApplicable, passed } = await monitorKit.verdicts;
    expect(failed).toEqual({});
    expect(Object.keys(notApplicable).filter((id) => !MAY_BE_UNSEEN.includes(id))).toEqual([]);
    expect(passed).toContain("security/token-asked");
    expect(exitCode).toBe(0);
  },
  WITHIN_MS,
);

test(
  "our agent passes every check, with a guest whose memory moves",
  async () => {
    const shares = await Promise.all(agentKits.map(({ verdicts }) => verdicts));
    expect(shares.map(({ failed }) => failed)).toEqual(SHARES.map(() => ({})));
    const passed = new Set(shares.flatMap((share) => share.passed));
    // Whatever checks come to be, none is in no share.
    expect([...passed].sort()).toEqual((await listChecks("agent")).sort());
    expect(passed).toContain("v2/shrink-slices");
    expect(passed.size).toBeGreaterThan(60);
    expect(shares.map(({ exitCode }) => exitCode)).toEqual([0, 0]);
  },
  WITHIN_MS,
);

async function startAgentKit(guest: Guest, only: string): Promise<void> {
  const place = ["--listen", "0", "--vm", guest.uuid, "--token", token];
  const kit = startKit("agent", ...place, "--patience", "2", "--dangerous", "--only", only);
  agentKits.push(kit);
  const vm = { ...entryFor(guest), monitor: await kit.address, token };
  agents.push(await AgentProcess.start({ node: { cpu: 8, mem: "8Gi" }, vms: [vm] }));
}
