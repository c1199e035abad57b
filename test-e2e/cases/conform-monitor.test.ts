// The conformance kit in the place of an agent: the monitor in a real guest keeps every rule, authentication included.
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeRunDir } from "../harness/cleanup.ts";
import { startKit, type Kit } from "../harness/conform.ts";
import { startGuest, type Guest } from "../harness/guest.ts";

/** A run takes two minutes. */
const WITHIN_MS = 480_000;
const TOKEN = "a-token-of-a-test";
/** A guest at rest needs no more: then there is no UpscaleRequest to be judged. */
const MAY_BE_UNSEEN = ["v1/upscale-request", "always/early", "always/upscale-rate"];

let guest: Guest;
let kit: Kit;
let folder: string;

beforeAll(async () => {
  guest = await startGuest({ name: "conform" });
  const inGuest = "/run/token-of-a-test";
  await guest.exec(`umask 077 && echo ${TOKEN} > ${inGuest}`);
  await guest.restartMonitor(["--preset", "demo", "--token", inGuest]);
  folder = await makeRunDir("agent");
  const token = join(folder, "token");
  await writeFile(token, TOKEN);
  kit = startKit("monitor", guest.monitorUrl, "--token", token, "--patience", "3", "--dangerous");
});

afterAll(async () => {
  kit.end();
  await guest.kill();
  await rm(folder, { recursive: true, force: true });
});

test(
  "the monitor in a guest breaks no rule, and what can't be judged is known",
  async () => {
    const { exitCode, failed, notApplicable, passed } = await kit.verdicts;
    expect(failed).toEqual({});
    expect(Object.keys(notApplicable).filter((id) => !MAY_BE_UNSEEN.includes(id))).toEqual([]);
    expect(passed).toContain("security/token-asked");
    expect(exitCode).toBe(0);
  },
  WITHIN_MS,
);
