// The real monitor on this machine itself, without a VM, with the settings of its service.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { get } from "node:http";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MONITOR_BUNDLE } from "../harness/monitor-process.ts";
import { until } from "../harness/until.ts";

/** Starts the monitor in the guest: what it costs depends on these settings of node and malloc. */
const SERVICE = "test-e2e/guest/files/supervise-monitor";

/** `socket`: its status, and its door for reservations. */
export type NativeMonitor = Readonly<{ pid: number; port: number; socket: string }>;

/** It runs for as long as `use` does. `prefix`: words in front of its command line, which must keep the pid. */
export async function withNativeMonitor<T>(
  more: readonly string[],
  use: (monitor: NativeMonitor) => Promise<T>,
  prefix: readonly string[] = [],
): Promise<T> {
  const dir = await mkdtemp(join(tmpdir(), "selfscale-bench-"));
  const [port, metricsPort] = [await freePort(), await freePort()];
  const own = ["--listen", `127.0.0.1:${port}`, "--metrics-listen", `127.0.0.1:${metricsPort}`];
  const { flags, env } = serviceSettings();
  const socket = join(dir, "monitor.sock");
  const monitor = [process.execPath, ...flags, MONITOR_BUNDLE, ...own, "--status", socket, ...more];
  const command = ["--pdeathsig", "KILL", ...prefix, ...monitor];
  const child = spawn("setpriv", command, { stdio: "ignore", env: { ...process.env, ...env } });
  try {
    await until("the monitor serves its metrics", async () => {
      if (child.exitCode !== null) throw new Error(`the monitor ended with ${child.exitCode}`);
      return await answers(metricsPort);
    });
    const { pid } = child;
    if (pid === undefined) throw new Error("the monitor has no process");
    return await use({ pid, port, socket });
  } finally {
    child.kill("SIGKILL");
    await rm(dir, { recursive: true, force: true });
  }
}

/** The service's own words, so that what is measured is what runs. */
function serviceSettings(): Readonly<{ flags: string[]; env: Record<string, string> }> {
  const text = readFileSync(SERVICE, "utf8");
  const exported = /^export (.+)$/m.exec(text)?.[1]?.split(" ") ?? [];
  const flags = /^ *node (--.+) \\$/m.exec(text)?.[1]?.split(" ") ?? [];
  if (exported.length === 0 || flags.length === 0) throw new Error(`${SERVICE} sets nothing`);
  const pairs = exported.map((pair): [string, string] => {
    const [name = "", value = ""] = pair.split("=");
    return [name, value];
  });
  return { flags, env: Object.fromEntries(pairs) };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function answers(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const call = get({ host: "127.0.0.1", port, path: "/metrics", agent: false }, (reply) => {
      reply.resume();
      resolve(reply.statusCode === 200);
    });
    call.on("error", () => resolve(false));
  });
}
