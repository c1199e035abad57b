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
import { MIB, startQemu } from "./testing/qemu.ts";
import { startScriptedQemu } from "./testing/scripted-qemu.ts";
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
  { args: ["explain"], problem: "missing required argument 'vm'" },
  { args: ["pause", "pg-1", "--for", "soon"], problem: "Expected seconds, minutes, hours or days" },
  { args: ["set-size", "pg-1"], problem: "name --cpu, --mem or both, or --clear" },
  { args: ["set-size", "pg-1", "--mem", "1e9"], problem: "Expected a size (512Mi, 1.5Gi)" },
  { args: ["set-size", "pg-1", "--cpu", "0"], problem: "above zero" },
  { args: ["set-size", "pg-1", "--clear", "--cpu", "1"], problem: "--clear goes without" },
  { args: ["trace", "pg-1", "--last", "1y"], problem: "Expected seconds, minutes, hours or days" },
  { args: ["check-config", "/nowhere/agent.yaml"], problem: "can't be read (ENOENT)" },
  { args: ["replay", "/nowhere/trace"], problem: "/nowhere/trace: can't be read (ENOENT)" },
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
  expect(table[0]).toMatch(
    /^VM +DESIRED +PERMIT +REQUESTED +ACTUAL +WHY +FOR +MODE +LINK +OPERATOR$/,
  );
  expect(table[1]).toMatch(
    /^pg-1 +2 \/ 512Mi +2 \/ 512Mi +2 \/ 512Mi +2 \/ 128Mi +\S+ +\d+ s +compute-controlled +up v2 +-$/,
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

/** A file for one VM; more lines of it may follow. */
function writeFile(qmp: string, monitor: string, more = "") {
  const own = makeTempDir();
  const file = path.join(own, "agent.yaml");
  const socket = path.join(own, "agent.sock");
  const text = `node: { cpu: 4, mem: 3Gi }
socket: ${socket}
vms:
  - name: pg-1
    qmp: unix:${qmp}
    monitor: ${monitor}
    bounds: { min: { cpu: 1, mem: 128Mi }, max: { cpu: 2, mem: 1Gi } }
${more}`;
  fs.writeFileSync(file, text);
  return { file, socket, text, own };
}

/** An agent with one real QEMU and a monitor that asked for 512 MiB. */
async function startOne() {
  const qemu = await startQemu({ uuid: UUID });
  const guest = await startGuest({ uuid: UUID });
  const { file, socket, text, own } = writeFile(qemu.socket, guest.monitor.url);
  const agent = start("--config", file);
  await guest.wish(2, 512);
  const requestedMib = async () => {
    const [device] = await qemu.qmp.execute("query-memory-devices", {});
    return (device?.data as { "requested-size": number })["requested-size"] / MIB;
  };
  await until("512 MiB to be requested", async () => (await requestedMib()) === 384);
  const order = (...args: string[]) => run(...args, "--socket", socket);
  return { qemu, guest, file, socket, text, own, agent, requestedMib, order };
}

test("check-config: a summary, and what is missing on this machine as warnings", async () => {
  const { file, own } = writeFile("/nowhere/qmp", "ws://127.0.0.1:9/", "    token: secret\n");
  const { code, out } = await run("check-config", file);
  expect([code, out]).toEqual([
    0,
    [
      `${file}: good`,
      "node: 4 / 3Gi for 1 VM, of which 256Mi is their overhead",
      "sum of bounds: min 1 / 128Mi, max 2 / 1Gi",
      "pg-1: 1 / 128Mi to 2 / 1Gi; no cgroup: less CPU is advice; token",
      `warning: ${file}:8: vms[0].token: got "secret", expected a readable file with a token: ENOENT; ` +
        "until then the agent does not start",
      `warning: ${file}:5: vms[0].qmp: got "unix:/nowhere/qmp", ` +
        "expected a socket that QEMU listens on: ENOENT; until then this VM waits for its QEMU",
      "",
    ].join("\n"),
  ]);
  fs.writeFileSync(path.join(own, "agent.yaml"), "node: { cpu: 4, mem: 1Mi }\nvms: []\n");
  const bad = await run("check-config", file);
  expect(bad.code).toBe(2);
  expect(bad.err).toContain("agent.yaml:2: vms: ");
});

test("explain, pause, resume, set-size and an unknown VM", async () => {
  const { order } = await startOne();
  const explained = await order("explain", "pg-1");
  expect(explained.code).toBe(0);
  expect(explained.out).toContain("Should have 2 vCPU, 512 MiB; has 2 vCPU, 128 MiB.");
  expect(explained.out).toMatch(/last notes:\n(.*\n)* +\d+ s ago {2}link-up: /);
  const json = JSON.parse((await order("explain", "pg-1", "--json")).out) as { vm: string };
  expect(json.vm).toBe("pg-1");
  expect((await order("pause", "pg-1", "--for", "10m")).out).toMatch(
    /^pg-1: paused until 20\S+Z\nnote: .* a restart of the agent forgets it\n$/,
  );
  expect((await order("status")).out).toMatch(/^pg-1 .* paused +\d+ s .* paused for 10 min$/m);
  expect((await order("resume", "pg-1")).out).toBe("pg-1: nothing is ordered by hand\n");
  expect((await order("set-size", "pg-1", "--mem", "1Gi")).out).toMatch(
    /^pg-1: at least 0 \/ 1Gi until 20/,
  );
  expect((await order("set-size", "pg-1", "--clear")).out).toContain("nothing is ordered");
  expect(await order("pause", "pg-2")).toEqual({
    ...{ code: 1, out: "" },
    err: 'selfscale-agent: there is no VM "pg-2"; there are pg-1\n',
  });
});

test("a trace replays to the same; a changed one exits with 1 and the first difference", async () => {
  const { order, own } = await startOne();
  const { code, out } = await order("trace", "pg-1", "--last", "10m");
  expect(code).toBe(0);
  const trace = path.join(own, "trace.jsonl");
  fs.writeFileSync(trace, out);
  const same = await run("replay", trace);
  expect(same.code).toBe(0);
  expect(same.out).toMatch(/^pg-1, traced by 0\.1\.0, stepped by 0\.1\.0: the same \d+ times/);
  fs.writeFileSync(trace, out.replaceAll('"requestedBytes":402653184', '"requestedBytes":1'));
  const other = await run("replay", trace);
  expect(other.code).toBe(1);
  expect(other.out).toMatch(/another decision at step \d+, line \d+/);
  expect(other.out).toContain("then:  ");
  fs.writeFileSync(trace, "nothing");
  expect((await run("replay", trace)).code).toBe(2);
});

test("status --watch appends a block for each change, and ends well when interrupted", async () => {
  const { socket, order } = await startOne();
  const watch = start("status", "--watch", "--socket", socket);
  const blocks = () => watch.out().split(/^20\S+Z$/m).length - 1;
  await until("the first block", () => blocks() > 0);
  await order("pause", "pg-1");
  await until("the pause", () => / paused$/m.test(watch.out()));
  watch.child.kill("SIGINT");
  expect((await once(watch.child, "exit"))[0]).toBe(0);
  const alone = await run("status", "--watch", "--socket", path.join(makeTempDir(), "none"));
  expect(alone.code).toBe(1);
});

test("the file is read anew on SIGHUP and when it changes; a bad one keeps what there was", async () => {
  const { file, text, agent, guest, requestedMib, order } = await startOne();
  const configOf = async () =>
    (JSON.parse((await order("status", "--json")).out) as { config: Record<string, unknown> })
      .config;
  fs.writeFileSync(file, text.replace("mem: 1Gi", "mem: 256Mi"));
  await until("its bounds to count", async () => (await requestedMib()) < 384 || null);
  expect(await configOf()).toMatchObject({ problem: null, reloadsFailed: 0 });
  fs.writeFileSync(file, text.replace("cpu: 4", "cpu: none"));
  await until("the refusal", async () => (await configOf())["problem"] !== null);
  expect((await order("status")).out).toContain("node.cpu");
  const failed = (await configOf())["reloadsFailed"] as number;
  agent.child.kill("SIGHUP");
  await until("the same", async () => ((await configOf())["reloadsFailed"] as number) > failed);
  fs.writeFileSync(file, text);
  await until("the good one", async () => (await configOf())["problem"] === null);
  expect(guest.monitor.connections).toHaveLength(1);
});

/** An agent in the middle of a shrink that its guest does not follow. */
async function startShrinking() {
  const qemu = await startScriptedQemu(UUID, 896 * MIB);
  const guest = await startGuest({ uuid: UUID });
  const { file } = writeFile(qemu.socket, guest.monitor.url);
  const agent = start("--config", file);
  qemu.isObedient = false;
  await guest.wish(1, 128);
  await until("the first slice", () => qemu.requests.length === 1);
  return { qemu, agent };
}

test("SIGTERM in the middle of a shrink settles it and takes nothing more", async () => {
  const { qemu, agent } = await startShrinking();
  agent.child.kill("SIGTERM");
  expect((await once(agent.child, "exit"))[0]).toBe(0);
  expect(qemu.requests.map((bytes) => bytes / MIB)).toEqual([640, 896]);
});

test("SIGTERM in the middle of a growth leaves what was requested", async () => {
  const { agent, requestedMib } = await startOne();
  agent.child.kill("SIGTERM");
  expect((await once(agent.child, "exit"))[0]).toBe(0);
  expect(await requestedMib()).toBe(384);
});

test("a second signal ends an agent at once that still waits for QEMU", async () => {
  const { qemu, agent } = await startShrinking();
  qemu.isMute = true; // the settling is never answered
  agent.child.kill("SIGTERM");
  await until("the drain", () => agent.err().includes("the agent stops"));
  agent.child.kill("SIGTERM");
  expect((await once(agent.child, "exit"))[1]).toBe("SIGTERM");
});
