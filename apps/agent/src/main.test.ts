// The bundle as users run it: one file under plain node.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { readRecordings } from "@selfscale/recording";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { startGuest } from "./testing/guest.ts";
import { startQemu } from "./testing/qemu.ts";
import { makeTempDir } from "./testing/temp-dir.ts";
import { PATIENT, until } from "./testing/wait.ts";

vi.setConfig(PATIENT);

const UUID = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
let folder = "";
let bundle = "";

beforeAll(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "agent-bundle-"));
  bundle = path.join(folder, "agent.cjs");
  await build({
    entryPoints: [path.join(import.meta.dirname, "main.ts")],
    outfile: bundle,
    bundle: true,
    platform: "node",
    target: "node20.19",
    format: "cjs",
    external: ["bufferutil", "utf-8-validate"],
    logLevel: "error",
  });
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

type Running = Readonly<{ child: ChildProcess; out: () => string; err: () => string }>;

function start(...args: string[]): Running {
  const child = spawn(process.execPath, [bundle, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  let [out, err] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
  return { child, out: () => out, err: () => err };
}

async function run(...args: string[]): Promise<{ code: unknown; out: string; err: string }> {
  const { child, out, err } = start(...args);
  const [code] = (await once(child, "close")) as unknown[];
  return { code, out: out(), err: err() };
}

test("--help and --version", async () => {
  const help = await run("--help");
  expect(help.code).toBe(0);
  for (const word of ["--config <file>", "--record <file>", "status", "--version"])
    expect(help.out).toContain(word);
  const { version } = JSON.parse(
    fs.readFileSync(path.join(import.meta.dirname, "../package.json"), "utf8"),
  ) as { version: string };
  expect(await run("--version")).toEqual({ code: 0, out: `${version}\n`, err: "" });
});

test.for([
  { args: [], problem: "--config FILE is missing" },
  { args: ["--confg", "x"], problem: "unknown option '--confg'" },
  { args: ["--config", "x", "--record"], problem: "argument missing" },
  { args: ["--config", "x", "--record="], problem: "--record FILE names no file" },
  { args: ["launch"], problem: "unknown command 'launch', expected status" },
  { args: ["status", "--jsn"], problem: "unknown option '--jsn'" },
  {
    args: ["--config", "/nowhere/agent.yaml"],
    problem: "/nowhere/agent.yaml: can't be read (ENOENT)",
  },
])("a mistake on the command line exits with 2: $args", async ({ args, problem }) => {
  const { code, out, err } = await run(...args);
  expect([code, out]).toEqual([2, ""]);
  expect(err).toContain(problem);
});

test("a bad file exits with 2 and one message", async () => {
  const file = path.join(makeTempDir(), "agent.yaml");
  fs.writeFileSync(file, "node: { cpu: 4, mem: 3GB }\nvms: []\n");
  const { code, err } = await run("--config", file);
  expect(code).toBe(2);
  expect(err).toMatch(/^selfscale-agent: .*agent\.yaml:1: node\.mem: got "3GB", expected .*\n$/);
});

test("status without an agent exits with 1", async () => {
  const socket = path.join(makeTempDir(), "no.sock");
  const { code, err } = await run("status", "--socket", socket);
  expect(code).toBe(1);
  expect(err).toBe(`selfscale-agent: no agent answers on ${socket} (ENOENT)\n`);
});

test("runs, shows its ladder, and stops on SIGTERM", async () => {
  const own = makeTempDir();
  const file = path.join(own, "agent.yaml");
  const socket = path.join(own, "run", "agent.sock");
  const qemu = await startQemu({ uuid: UUID });
  const guest = await startGuest({ uuid: UUID });
  fs.writeFileSync(
    file,
    `node: { cpu: 4, mem: 3Gi }
socket: ${socket}
vms:
  - name: pg-1
    qmp: unix:${qemu.socket}
    monitor: ${guest.monitor.url}
    bounds: { min: { cpu: 1, mem: 128Mi }, max: { cpu: 2, mem: 1Gi } }
`,
  );
  const { child, out, err } = start("--config", file);
  await guest.wish(2, 512);
  type Ladder = { vms: { requested: { memBytes: number }; notes: unknown[] }[] };
  const status = async () => {
    const { code, out: json } = await run("status", "--json", "--socket", socket);
    return code === 0 ? (JSON.parse(json) as Ladder) : null;
  };
  await until("512 MiB to be requested", async () => {
    const [vm] = (await status())?.vms ?? [];
    return vm?.requested.memBytes === 512 * 1024 ** 2 && vm.notes.length > 0;
  });
  const table = (await run("status", "--socket", socket)).out.split("\n");
  expect(table[0]).toMatch(/^VM +DESIRED +PERMIT +REQUESTED +ACTUAL +WHY +MODE +LINK$/);
  expect(table[1]).toMatch(
    /^pg-1 +2 \/ 512Mi +2 \/ 512Mi +2 \/ 512Mi +2 \/ 128Mi +\S+ +compute-controlled +up v2$/,
  );

  child.kill("SIGTERM");
  const [code] = (await once(child, "exit")) as unknown[];
  expect([code, out()]).toEqual([0, ""]);
  expect(fs.existsSync(socket)).toBe(false);
  const lines = err()
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { msg: string });
  expect(lines[0]?.msg).toBe("the agent runs");
  expect(lines.map(({ msg }) => msg)).toContain("the agent stops; sizes stay as they are");
});

test("records what is said, and shares the file with nobody", async () => {
  const own = makeTempDir();
  const configure = (name: string, qmp: string, url: string) => {
    const file = path.join(own, `${name}.yaml`);
    const bounds = "{ min: { cpu: 1, mem: 128Mi }, max: { cpu: 2, mem: 1Gi } }";
    const vm = `{ name: pg-1, qmp: "unix:${qmp}", monitor: "${url}", bounds: ${bounds} }`;
    fs.writeFileSync(
      file,
      `node: { cpu: 4, mem: 3Gi }\nsocket: ${own}/${name}.sock\nvms: [${vm}]\n`,
    );
    return file;
  };
  const talk = path.join(own, "talk.jsonl");
  const qemu = await startQemu({ uuid: UUID });
  const guest = await startGuest({ uuid: UUID });
  const config = configure("one", qemu.socket, guest.monitor.url);
  const { child } = start("--config", config, "--record", talk);
  await guest.wish(2, 512);
  await until("an answer", () => guest.framesOf("ScaleResponse").length > 0);

  const second = await run("--config", config, "--record", talk);
  expect(second.code).toBe(2);
  expect(second.err).toBe(
    `selfscale-agent: ${talk}: process ${child.pid ?? 0} records there already\n`,
  );

  child.kill("SIGTERM");
  expect((await once(child, "exit"))[0]).toBe(0);
  const [recording] = readRecordings(fs.readFileSync(talk, "utf8"));
  expect(recording?.header).toMatchObject({ app: "agent", release: "0.1.0", pid: child.pid });
  const said = (recording?.events ?? []).flatMap((event) =>
    event.kind === "frame" && event.way === "out" ? [event.text] : [],
  );
  expect(said).toEqual(guest.monitor.connections.flatMap(({ frames }) => frames));
  expect(recording?.events.at(-1)).toMatchObject({
    ...{ vm: "pg-1", link: 1, kind: "closed", by: "us" },
    ...{ code: 1001, problem: "the agent is stopping" },
  });
});
