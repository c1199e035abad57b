// The conformance kit in the place of an agent: the monitor in a real guest keeps every rule.
import { afterAll, beforeAll, expect, test } from "vitest";
import { startKit, type Kit } from "../harness/conform.ts";
import { startGuest, type Guest } from "../harness/guest.ts";

const WITHIN_MS = 600_000;

let guest: Guest;
let kit: Kit;

beforeAll(async () => {
  guest = await startGuest({ name: "conform", monitorArgs: ["--preset", "demo"] });
  kit = startKit("monitor", guest.monitorUrl, "--patience", "3", "--dangerous");
});

afterAll(async () => {
  kit.end();
  await guest.kill();
});

test(
  "the monitor in a guest breaks no rule, and what can't be judged is known",
  async () => {
    const { exitCode, failed, notApplicable } = await kit.verdicts;
    expect(failed).toEqual({});
    expect(notApplicable).toEqual({});
    expect(exitCode).toBe(0);
  },
  WITHIN_MS,
);
