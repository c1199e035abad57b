// The server of the tests must not outlive them, however they end.
import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { PostgresServer } from "./postgres-server.ts";
import { until } from "./until.ts";

const HELPER = `
import { PostgresServer } from ${JSON.stringify(path.join(import.meta.dirname, "postgres-server.ts"))};
const server = await PostgresServer.start();
console.log(JSON.stringify({ pid: server.pid, dir: server.dir }));
setInterval(() => {}, 1_000_000);
`;

/** Whether it runs: a dead process that nobody has asked after is one still. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(fs.readFileSync(`/proc/${pid}/status`, "latin1"));
  } catch {
    return false;
  }
}

test(
  "a test that is killed leaves neither a server nor its folder",
  { timeout: 60_000 },
  async () => {
    const args = ["--import", "tsx", "--input-type=module", "-e", HELPER];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    onTestFinished(() => void child.kill("SIGKILL"));
    let out = "";
    child.stdout.on("data", (data: Buffer) => (out += data.toString()));
    const line = await until("it has started", () => (out.includes("\n") ? out : null), 40_000);
    const { pid, dir } = JSON.parse(line) as { pid: number; dir: string };
    expect([isRunning(pid), fs.existsSync(dir)]).toEqual([true, true]);
    child.kill("SIGKILL");
    await until("the server is gone", () => (isRunning(pid) ? null : true), 10_000);
    await until("its folder is gone", () => (fs.existsSync(dir) ? null : true), 10_000);
  },
);

test("a server that was stopped, or crashed, can be started again on its data", async () => {
  const server = await PostgresServer.start();
  onTestFinished(() => server.remove());
  await server.query("CREATE TABLE kept AS SELECT 1 AS one");
  for (const how of ["fast", "immediate"] as const) {
    const { pid } = server;
    await server.stop(how);
    expect(isRunning(pid)).toBe(false);
    await server.run();
  }
  expect(await server.query("SELECT one FROM kept")).toEqual([{ one: 1 }]);
});
