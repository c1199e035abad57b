// The command as it is typed: what it prints, and its exit codes.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { storyOf } from "@selfscale/simulator";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { bundleOf, type Bundle } from "../testing/bundle.ts";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

let bundle: Bundle | null = null;
const folder = mkdtempSync(join(tmpdir(), "lab-world-"));
beforeAll(async () => {
  bundle = await bundleOf("lab");
});
afterAll(() => {
  bundle?.remove();
  rmSync(folder, { recursive: true, force: true });
});

async function world(...args: readonly string[]) {
  const child = spawn(process.execPath, [bundle?.file ?? "", "world", ...args]);
  let [out, err] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
  const [code] = (await once(child, "close")) as unknown[];
  return { code, out, err };
}

test("plays seeds, and says that everything held", async () => {
  expect(await world("--seeds", "3..4")).toMatchObject({
    code: 0,
    out: "2 worlds, everything held\n",
  });
});

test("plays one seed the same way twice, with its digest", async () => {
  const first = await world("--seed", "3");
  expect(first.out).toMatch(/^everything held: \d+ events, \d+ sizes told, digest [0-9a-f]{16}\n$/);
  expect(await world("--seed", "3")).toEqual(first);
});

/** A world that can't be well: its VMs have no room for what they boot with. */
const impossible = () => {
  const story = storyOf(3);
  const vms = story.vms.map((plan) => ({ ...plan, vcpusMax: 0.5 }));
  return { ...story, vms };
};

test("a story that fails exits with 1, shrunk, with the command that plays it again", async () => {
  const [file, save] = [join(folder, "story.json"), join(folder, "shortest.json")];
  writeFileSync(file, JSON.stringify(impossible()));
  const { code, out } = await world("--story", file, "--save", save);
  expect(code).toBe(1);
  expect(out).toContain(`seed 3 FAILED: invariant `);
  expect(out).toContain(`play it again: selfscale-lab world --story ${file} --log`);
  expect(out).toContain(`the shortest story alone: selfscale-lab world --story ${save} --log`);
  const shortest = JSON.parse(readFileSync(save, "utf8")) as { faults: unknown[] };
  expect(shortest.faults.length).toBeLessThan(storyOf(3).faults.length);
  const again = await world("--story", save, "--no-shrink", "--json");
  expect(again.code).toBe(1);
  expect(JSON.parse(again.out.split("\n")[0] ?? "")).toMatchObject({ seed: 3 });
});

test("a story that is none exits with 2, and its place is named", async () => {
  const file = join(folder, "bad.json");
  writeFileSync(file, JSON.stringify({ ...storyOf(3), vms: [{}] }));
  const { code, err } = await world("--story", file);
  expect(code).toBe(2);
  expect(err).toContain("vms[0].minMilli: expected a number, found undefined");
});

test.for([
  ["--seeds", "9..3"],
  ["--seed", "x"],
  ["--seed", "1", "--seeds", "2"],
  ["--seeds", "2", "--log"],
])("a mistake on the command line exits with 2: %s", async (args) => {
  expect((await world(...args)).code).toBe(2);
});
