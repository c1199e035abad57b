// The real process, from the real bundle: exit codes, messages, signals, sockets.
import { readRecordings } from "@selfscale/recording";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { VERSION } from "./cli.ts";
import { type Status } from "./shell/status.ts";
import { Peer } from "./testing/peer.ts";
import { Program, type Started } from "./testing/program.ts";
import { until } from "./testing/until.ts";

const program = new Program();
let dir = "";
let running: Started[] = [];

beforeAll(() => program.build());
afterAll(() => program.remove());

beforeEach(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), "selfscale-main-"));
  running = [];
});
afterEach(async () => {
  for (const run of running) {
    run.child.kill("SIGKILL");
    await run.exited();
  }
  fs.rmSync(dir, { recursive: true });
});

function start(...args: readonly string[]): Started {
  const run = program.start(...args);
  running.push(run);
  return run;
}

const socketPath = () => path.join(dir, "run", "monitor.sock");

async function startMonitor(...more: string[]) {
  const ports = ["--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"];
  const run = start(...ports, "--status", socketPath(), ...more);
  const started = await until(
    "it started",
    () => run.lines().find((line) => line.msg === "started") ?? null,
    20_000,
  );
  return { run, port: Number(started.port), metricsPort: Number(started.metricsPort) };
}

describe("runs", () => {
  test.for(["SIGTERM", "SIGINT"] as const)(
    "%s: close code 1001, no socket left, exit 0",
    async (signal) => {
      const { run, port, metricsPort } = await startMonitor();
      const peer = await Peer.shake(port, '{"min":1,"max":1}\n');
      await peer.frame(0);
      expect(fs.existsSync(socketPath())).toBe(true);
      run.child.kill(signal);
      expect(await peer.closing()).toEqual({ code: 1001, reason: "monitor is stopping" });
      expect(await run.exited()).toBe(0);
      expect(fs.existsSync(socketPath())).toBe(false);
      for (const freed of [port, metricsPort]) {
        const server = net.createServer();
        await new Promise<void>((resolve) => server.listen(freed, "127.0.0.1", resolve));
        server.close();
      }
    },
  );

  test("records what is said, as its file says, and shares the recording with nobody", async () => {
    const talk = path.join(dir, "talk.jsonl");
    const config = path.join(dir, "monitor.yaml");
    fs.writeFileSync(config, `record: ${talk}\nprotocolMax: 1\n`);
    const { run, port } = await startMonitor("--config", config);
    const peer = await Peer.shake(port, '{"min":1,"max":1}\n');
    await peer.frame(0);
    const second = start("--record", talk, "--status", `${socketPath()}2`);
    expect(await second.exited()).toBe(2);
    const pid = run.child.pid ?? 0;
    expect(second.err).toContain(
      `selfscale-monitor: ${talk}: process ${pid} records there already\n`,
    );
    run.child.kill("SIGTERM");
    expect(await run.exited()).toBe(0);
    const [recording] = readRecordings(fs.readFileSync(talk, "utf8"));
    expect(recording?.header).toMatchObject({ app: "monitor", release: VERSION, pid });
    expect(recording?.events).toMatchObject([
      { link: 1, kind: "opened" },
      { link: 1, kind: "frame", way: "in", text: '{"min":1,"max":1}\n' },
      { link: 1, kind: "frame", way: "out", text: '{"version":1}' },
      { link: 1, kind: "closed", by: "us", code: 1001, problem: "monitor is stopping" },
    ]);
  });

  test("a deployed agent is answered in the deployed bytes, and status shows the link", async () => {
    const { port } = await startMonitor("--protocol-max", "1");
    const peer = await Peer.shake(port, '{"min":1,"max":2,"features":["size-report"]}');
    expect(await peer.frame(0)).toBe('{"version":1}');
    peer.ws.send('{"content":{},"type":"HealthCheck","id":2}\n');
    expect(await peer.frame(1)).toBe('{"type":"HealthCheck","id":2}');
    const json = start("status", "--json", "--status", socketPath());
    expect(await json.exited()).toBe(0);
    const status = JSON.parse(json.out) as Status;
    expect(status).toMatchObject({
      version: VERSION,
      protocolMax: 1,
      monitor: { link: { version: 1 } },
    });
    const text = start("status", "--status", socketPath());
    expect(await text.exited()).toBe(0);
    for (const word of ["desired", "permit", "requested", "actual", "reserve", "tReact", "rMax"]) {
      expect(text.out).toContain(word);
    }
    expect(text.out).toContain("connected, version 1");
  });

  test("a killed monitor's socket does not keep the next one from starting", async () => {
    const { run } = await startMonitor();
    run.child.kill("SIGKILL");
    await run.exited();
    expect(fs.existsSync(socketPath())).toBe(true);
    await startMonitor();
  });

  test("with a token nobody else gets in", async () => {
    const token = path.join(dir, "token");
    fs.writeFileSync(token, "s3cret\n");
    const { run, port } = await startMonitor("--token", token, "--require-auth");
    expect(await new Peer(port).refusal()).toBe(401);
    const agent = await Peer.shake(port, '{"min":1,"max":1}', "s3cret");
    expect(await agent.frame(0)).toBe('{"version":1}');
    expect(run.err).not.toContain("s3cret");
  });
});

describe("warnings", () => {
  test("listening everywhere without a token is said once", async () => {
    const run = start(
      "--listen",
      "0.0.0.0:0",
      "--metrics-listen",
      "127.0.0.1:0",
      "--status",
      socketPath(),
    );
    await until("it started", () => (run.err.includes('"started"') ? true : null), 20_000);
    expect(run.err.split("without a token")).toHaveLength(2);
  });
});

describe("refuses", () => {
  test.for([
    {
      name: "an unknown option",
      args: ["--bogus"],
      problem: "Unknown option '--bogus' (see selfscale-monitor --help)",
    },
    {
      name: "a bad value",
      args: ["--listen", "here"],
      problem:
        '--listen: "here" is not accepted: expected ADDRESS:PORT, such as 0.0.0.0:10301 or [::1]:10301',
    },
    {
      name: "required but missing auth",
      args: ["--require-auth"],
      problem:
        "command line: token: nothing is given, but requireAuth expects a token file or tls.clientCa",
    },
    {
      name: "a certificate that is not there",
      args: ["--tls-cert", "/nowhere/vm.crt", "--tls-key", "/nowhere/vm.key"],
      problem:
        "command line: tls.cert: \"/nowhere/vm.crt\" is not accepted: expected a PEM file with the monitor's certificate (ENOENT: no such file or directory, open '/nowhere/vm.crt')",
    },
  ])("$name with exit code 2 and one line", async ({ args, problem }) => {
    const run = start(...args);
    expect(await run.exited()).toBe(2);
    expect(run.err).toBe(`selfscale-monitor: ${problem}\n`);
    expect(run.out).toBe("");
  });

  test("a bad file, naming its line", async () => {
    const file = path.join(dir, "monitor.yaml");
    fs.writeFileSync(file, "preset: demo\nmemory:\n  reserveMinByte: 1Gi\n");
    const run = start("--config", file);
    expect(await run.exited()).toBe(2);
    expect(run.err).toBe(`selfscale-monitor: ${file}:3: memory.reserveMinByte: unknown key\n`);
  });

  test("the same by check-config, which starts nothing; and a good file in words", async () => {
    const file = path.join(dir, "monitor.yaml");
    fs.writeFileSync(file, "calm: 2\n");
    const bad = start("check-config", file);
    expect(await bad.exited()).toBe(2);
    expect(bad.err).toBe(
      `selfscale-monitor: ${file}:1: calm: 2 is not accepted: expected a number from 0 (follows the need) to 1 (resizes least)\n`,
    );
    fs.writeFileSync(
      file,
      "calm: 0.8\ncpu: { holdMs: 7000 }\nstartHoldMs: 5000\nshadow: { preset: frugal }\npostgres: {}\nanticipation: { vacuums: false }\n",
    );
    const good = start("check-config", file);
    expect(await good.exited()).toBe(0);
    expect(good.out.split("\n")).toEqual([
      `${file}: good`,
      "policy: preset default, calm 0.8; numbers of its own: startHoldMs 5000, cpu.holdMs 7000",
      "gives back: what was idle for 22.97 vCPU·s or 22.97 GiB·s",
      "shadow: frugal",
      "agents: ws at 0.0.0.0:10301, whoever reaches it",
      "PostgreSQL: selfscale_monitor in postgres at /var/run/postgresql, port 5432; anticipated are indexBuilds, sessions, connections, up to 50 % of the largest size",
      "",
    ]);
  });

  test("a port in use with exit code 1", async () => {
    const { port } = await startMonitor();
    const other = path.join(dir, "other.sock");
    const run = start(
      "--listen",
      `127.0.0.1:${port}`,
      "--metrics-listen",
      "127.0.0.1:0",
      "--status",
      other,
    );
    expect(await run.exited()).toBe(1);
    expect(run.err).toContain("EADDRINUSE");
    expect(fs.existsSync(other)).toBe(false);
  });

  test("a second monitor on the same socket with exit code 1, and the first goes on", async () => {
    await startMonitor();
    const run = start(
      "--listen",
      "127.0.0.1:0",
      "--metrics-listen",
      "127.0.0.1:0",
      "--status",
      socketPath(),
    );
    expect(await run.exited()).toBe(1);
    expect(run.err).toContain("another process answers on");
    const status = start("status", "--json", "--status", socketPath());
    expect(await status.exited()).toBe(0);
  });

  test("status without a monitor, exit code 1", async () => {
    const run = start("status", "--status", path.join(dir, "absent.sock"));
    expect(await run.exited()).toBe(1);
    expect(run.err).toContain("ENOENT");
  });
});

test("--help and --version", async () => {
  const version = start("--version");
  expect(await version.exited()).toBe(0);
  expect(version.out).toBe(`${VERSION}\n`);
  const help = start("--help");
  expect(await help.exited()).toBe(0);
  expect(help.out).toContain("Usage:");
});
