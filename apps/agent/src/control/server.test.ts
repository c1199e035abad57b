import { spawnSync } from "node:child_process";
import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { makeTempDir } from "../testing/temp-dir.ts";
import { memoryLog } from "../testing/fleet.ts";
import { ask } from "./client.ts";
import { type Controlled } from "./routes.ts";
import { ControlServer } from "./server.ts";

/** Only what these tests ask for is there. */
function newServer(socketPath: string, status: () => object): ControlServer {
  const fleet = { status, runner: () => null, names: () => ["pg-1", "pg-2"] };
  const controlled = { fleet, config: () => null, release: "0.0.0", now: () => 0 };
  return new ControlServer(socketPath, controlled as unknown as Controlled, memoryLog().log);
}

const fetchStatus = (socketPath: string) => ask(socketPath, { method: "GET", path: "/status" });

async function serve(socketPath: string, status: () => object): Promise<ControlServer> {
  const server = newServer(socketPath, status);
  await server.listen();
  onTestFinished(() => server.stop());
  return server;
}

test("serves what it is given, in a folder for the owner only, and cleans up", async () => {
  const folder = path.join(makeTempDir(), "run", "selfscale");
  const socket = path.join(folder, "agent.sock");
  let calls = 0;
  const server = await serve(socket, () => ({ calls: (calls += 1) }));
  expect(JSON.parse(await fetchStatus(socket))).toEqual({ calls: 1, config: null });
  expect(JSON.parse(await fetchStatus(socket))).toEqual({ calls: 2, config: null });
  expect(fs.statSync(folder).mode & 0o777).toBe(0o700);
  expect(fs.statSync(socket).mode & 0o077).toBe(0);
  await server.stop();
  expect(fs.existsSync(socket)).toBe(false);
});

test("what is not here is not found", async () => {
  const socket = path.join(makeTempDir(), "agent.sock");
  await serve(socket, () => ({}));
  const statusOf = (method: string, urlPath: string) =>
    new Promise<number | undefined>((resolve, reject) => {
      const request = http.request({ socketPath: socket, path: urlPath, method }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      request.on("error", reject).end();
    });
  expect(await statusOf("GET", "/")).toBe(404);
  expect(await statusOf("POST", "/status")).toBe(404);
  expect(await statusOf("POST", "/vms/pg-1/explain")).toBe(404);
  expect(await statusOf("GET", "/vms/pg-1/explain/more")).toBe(404);
  expect(await statusOf("GET", "/vms/%E0%A4%A/explain")).toBe(404);
});

test("replaces the socket of an agent that was killed", async () => {
  const socket = path.join(makeTempDir(), "agent.sock");
  const script = `require("net").createServer().listen(${JSON.stringify(socket)}, () => process.kill(process.pid, "SIGKILL"))`;
  spawnSync(process.execPath, ["-e", script]);
  expect(fs.existsSync(socket)).toBe(true);
  await serve(socket, () => ({ is: "new" }));
  expect(JSON.parse(await fetchStatus(socket))).toEqual({ is: "new", config: null });
});

test.for([
  {
    name: "another agent runs",
    prepare: (socket: string) => serve(socket, () => ({})),
    problem: /belongs to another agent that runs/,
  },
  {
    name: "a file is in its place",
    prepare: (socket: string) => fs.promises.writeFile(socket, "precious"),
    problem: /is there and is not a socket/,
  },
  {
    name: "the folder can't be made",
    prepare: (socket: string) => fs.promises.writeFile(path.dirname(socket), ""),
    folder: "file",
    problem: /can't be served \((EEXIST|ENOTDIR)\)/,
  },
])("refuses when $name", async ({ prepare, problem, folder = "." }) => {
  const socket = path.join(makeTempDir(), folder, "agent.sock");
  await prepare(socket);
  await expect(newServer(socket, () => ({})).listen()).rejects.toThrow(problem);
});

test("nobody answers: the system's word", async () => {
  await expect(fetchStatus(path.join(makeTempDir(), "no.sock"))).rejects.toThrow("ENOENT");
});

test("an unknown VM: the answer names the ones there are", async () => {
  const socket = path.join(makeTempDir(), "agent.sock");
  await serve(socket, () => ({}));
  await expect(ask(socket, { method: "GET", path: "/vms/pg-3/explain" })).rejects.toThrow(
    'there is no VM "pg-3"; there are pg-1, pg-2',
  );
});

test("a body that is too long is refused before it is all there", async () => {
  const socket = path.join(makeTempDir(), "agent.sock");
  await serve(socket, () => ({}));
  const body = { for: "x".repeat(5_000) };
  await expect(ask(socket, { method: "POST", path: "/vms/pg-1/pause", body })).rejects.toThrow(
    "the body is longer than 4096 bytes",
  );
});
