import { spawnSync } from "node:child_process";
import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { makeTempDir } from "../testing/temp-dir.ts";
import { fetchStatus, StatusServer } from "./status-server.ts";

async function serve(socketPath: string, status: () => unknown): Promise<StatusServer> {
  const server = new StatusServer(socketPath, status);
  await server.listen();
  onTestFinished(() => server.stop());
  return server;
}

test("serves what it is given, in a folder for the owner only, and cleans up", async () => {
  const folder = path.join(makeTempDir(), "run", "selfscale");
  const socket = path.join(folder, "agent.sock");
  let calls = 0;
  const server = await serve(socket, () => ({ calls: (calls += 1) }));
  expect(JSON.parse(await fetchStatus(socket))).toEqual({ calls: 1 });
  expect(JSON.parse(await fetchStatus(socket))).toEqual({ calls: 2 });
  expect(fs.statSync(folder).mode & 0o777).toBe(0o700);
  expect(fs.statSync(socket).mode & 0o077).toBe(0);
  await server.stop();
  expect(fs.existsSync(socket)).toBe(false);
});

test("anything but GET /status is not found", async () => {
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
});

test("replaces the socket of an agent that was killed", async () => {
  const socket = path.join(makeTempDir(), "agent.sock");
  const script = `require("net").createServer().listen(${JSON.stringify(socket)}, () => process.kill(process.pid, "SIGKILL"))`;
  spawnSync(process.execPath, ["-e", script]);
  expect(fs.existsSync(socket)).toBe(true);
  await serve(socket, () => "new");
  expect(await fetchStatus(socket)).toBe('"new"');
});

test.for([
  {
    name: "another agent runs",
    prepare: (socket: string) => serve(socket, () => "first"),
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
  await expect(new StatusServer(socket, () => "second").listen()).rejects.toThrow(problem);
});

test("nobody answers: the system's word", async () => {
  await expect(fetchStatus(path.join(makeTempDir(), "no.sock"))).rejects.toThrow("ENOENT");
});
