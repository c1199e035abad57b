// The command as people run it: what it prints and its exit codes.
import { execFile } from "node:child_process";
import { build } from "esbuild";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type Defect } from "../testing/monitor-defects.ts";
import { ScriptedMonitor } from "../testing/scripted-monitor.ts";
import { MONITOR_CHECKS } from "./monitor-checks.ts";

type Ended = Readonly<{ code: number | string; out: string; err: string }>;

let dir = "";
let monitor: ScriptedMonitor | null = null;

beforeAll(async () => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), "selfscale-lab-"));
  await build({
    entryPoints: [fileURLToPath(new URL("../main.ts", import.meta.url))],
    bundle: true,
    platform: "node",
    target: "node20",
    format: "cjs",
    outfile: path.join(dir, "lab.cjs"),
    logLevel: "error",
  });
});
afterEach(async () => {
  await monitor?.stop();
  monitor = null;
});
afterAll(() => fs.rmSync(dir, { recursive: true }));

async function serve(defect: Defect | null, token: string | null = null): Promise<string> {
  monitor = new ScriptedMonitor({ defect, token });
  return await monitor.listen();
}

async function lab(...args: readonly string[]): Promise<Ended> {
  const command = [path.join(dir, "lab.cjs"), "conform", "monitor", ...args];
  return await new Promise((resolve) => {
    execFile(process.execPath, command, (error, out, err) =>
      resolve({ code: error === null ? 0 : (error.code ?? "killed"), out, err }),
    );
  });
}

test("text: where, a line a check with how far it is, the counts; exit code 0", async () => {
  const url = await serve(null);
  const { code, out } = await lab(url, "--only", "v1/health");
  const [head, line, counts] = out.split("\n");
  expect(head).toBe(`monitor at ${url}, profile selfscale`);
  expect(line).toMatch(/^pass +1\/1 +v1\/health-check +\d+\.\d s {2}HealthCheck is answered/);
  expect(counts).toBe("1 passed, 0 failed, 0 known deviations, 0 not applicable");
  expect(code).toBe(0);
});

test("several choices at once, in the order of the checks", async () => {
  const { code, out } = await lab(await serve(null), "--only", "v1/health,handshake/version-1-");
  const ids = out.split("\n").flatMap((line) => /^pass +\S+ +(\S+)/.exec(line)?.[1] ?? []);
  expect(ids).toEqual(["handshake/version-1-reply", "v1/health-check"]);
  expect(code).toBe(0);
});

test("a broken rule shows the frames; exit code 1", async () => {
  const { code, out } = await lab(await serve("longer-health-reply"), "--only", "v1/health");
  expect(out).toContain('→ {"content":{},"type":"HealthCheck","id":2}\n');
  expect(out).toContain('← {"type":"HealthCheck","at":0,"id":2}\n');
  expect(code).toBe(1);
});

test("JSON, of all that was checked, and nothing else on stdout", async () => {
  const { code, out } = await lab(await serve("longer-reply"), "--only", "handshake/v", "--json");
  const report = JSON.parse(out) as { checks: { id: string; verdict: string }[] };
  expect(report.checks.map(({ id, verdict }) => [id, verdict])).toEqual([
    ["handshake/version-1", "pass"],
    ["handshake/version-1-reply", "fail"],
  ]);
  expect(code).toBe(1);
});

test("a token from a file gets in and is not shown", async () => {
  const file = path.join(dir, "token");
  fs.writeFileSync(file, "s3cret\n");
  const { code, out } = await lab(
    await serve(null, "s3cret"),
    "--only",
    "security",
    "--token",
    file,
  );
  expect(out).toContain("3 passed, 0 failed");
  expect(out).not.toContain("s3cret");
  expect(code).toBe(0);
});

test("no monitor there: exit code 3 and one line", async () => {
  const url = await serve(null, "s3cret");
  const refused = await lab(url);
  expect(refused).toEqual({
    code: 3,
    out: "",
    err: `selfscale-lab: ${url}: the upgrade was refused with HTTP 401\n`,
  });
});

test("--list needs no monitor, and has every check", async () => {
  const { code, out } = await lab("--list");
  expect(code).toBe(0);
  expect(out.split("\n").slice(2, -1)).toHaveLength(MONITOR_CHECKS.length);
  for (const { id } of MONITOR_CHECKS) expect(out).toContain(`| \`${id}\` | `);
});

test.for([
  { name: "no address", args: [], problem: "missing required argument 'url'" },
  { name: "no websocket address", args: ["http://x"], problem: "expected a ws:// or wss://" },
  { name: "an unknown profile", args: ["ws://x", "--profile", "y"], problem: "Allowed choices" },
  { name: "an unknown option", args: ["ws://x", "--fast"], problem: "unknown option '--fast'" },
  { name: "no such token file", args: ["ws://x", "--token", "/none"], problem: "(ENOENT)" },
  { name: "no patience", args: ["ws://x", "--patience", "0"], problem: "from 1 to 100" },
  {
    name: "no such check among others",
    args: ["ws://x", "--only", "handshake,v9"],
    problem: "no check's id begins with v9",
  },
  {
    name: "no such check",
    args: ["ws://x", "--only", "v9"],
    problem: "no check's id begins with v9",
  },
])("$name: exit code 2", async ({ args, problem }) => {
  const { code, out, err } = await lab(...args);
  expect(err).toContain(problem);
  expect(out).toBe("");
  expect(code).toBe(2);
});

test("ids are unique, and begin with what their group is called", () => {
  const ids = MONITOR_CHECKS.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  for (const { id, group } of MONITOR_CHECKS) {
    expect(id.split("/")[0]).toBe(group.replace("version ", "v"));
  }
});
