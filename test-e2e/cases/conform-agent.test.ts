// The conformance kit in the place of a real guest's monitor: the agent keeps every rule while memory really moves.
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AgentProcess } from "../harness/agent-process.ts";
import { makeRunDir } from "../harness/cleanup.ts";
import { startKit, type Kit } from "../harness/conform.ts";
import { startGuest, type Guest } from "../harness/guest.ts";
import { entryFor } from "../harness/stack.ts";

/** A whole run takes under five minutes. */
const WITHIN_MS = 480_000;

let guest: Guest;
let agent: AgentProcess;
let kit: Kit;
let folder: string;

beforeAll(async () => {
  guest = await startGuest({ name: "conform" });
  folder = await makeRunDir("agent");
  const token = join(folder, "token");
  await writeFile(token, "a-token-of-a-test\n");
  const place = ["--listen", "0", "--vm", guest.uuid, "--token", token];
  kit = startKit("agent", ...place, "--patience", "2", "--dangerous");
  agent = await AgentProcess.start({
    node: { cpu: 8, mem: "8Gi" },
    vms: [{ ...entryFor(guest), monitor: await kit.address, token }],
  });
});

afterAll(async () => {
  kit.end();
  await agent.stop();
  await guest.kill();
  await rm(folder, { recursive: true, force: true });
});

test(
  "our agent passes every check, with a guest whose memory moves",
  async () => {
    const { exitCode, failed, notApplicable, passed } = await kit.verdicts;
    expect(failed).toEqual({});
    expect(notApplicable).toEqual({});
    expect(passed).toContain("v2/shrink-slices");
    expect(passed.length).toBeGreaterThan(60);
    expect(exitCode).toBe(0);
  },
  WITHIN_MS,
);
