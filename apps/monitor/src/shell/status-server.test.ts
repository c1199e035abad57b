import { spawnSync } from "node:child_process";
import fs from "node:fs";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { fetchStatus, StatusServer } from "./status-server.ts";

let dir = "";
let socket = "";
const running: StatusServer[] = [];

beforeEach(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), "selfscale-status-"));
  socket = path.join(dir, "run", "monitor.sock");
});
afterEach(async () => {
  for (const server of running.splice(0)) await server.stop();
  fs.rmSync(dir, { recursive: true });
});

async function serve(): Promise<StatusServer> {
  const server = new StatusServer(socket, () => ({ desired: "1 vCPU" }));
  await server.listen();
  running.push(server);
  return server;
}

test("answers over a socket that only its owner can reach, and removes it", async () => {
  const server = await serve();
  expect(JSON.parse(await fetchStatus(socket))).toEqual({ desired: "1 vCPU" });
  expect(fs.statSync(path.dirname(socket)).mode & 0o777).toBe(0o700);
  expect(fs.statSync(socket).mode & 0o077).toBe(0);
  running.splice(0);
  await server.stop();
  expect(fs.existsSync(socket)).toBe(false);
});

test("other paths are not found", async () => {
  await serve();
  const status = await new Promise((resolve) => {
    http.get({ socketPath: socket, path: "/" }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
  });
  expect(status).toBe(404);
});

test("a socket left behind by a killed process is replaced", async () => {
  fs.mkdirSync(path.dirname(socket));
  const script = `require("net").createServer().listen(${JSON.stringify(socket)}, () => process.kill(process.pid, "SIGKILL"))`;
  spawnSync(process.execPath, ["-e", script]);
  expect(fs.lstatSync(socket).isSocket()).toBe(true);
  await serve();
  expect(JSON.parse(await fetchStatus(socket))).toEqual({ desired: "1 vCPU" });
});

test("a socket on which somebody answers is not taken away", async () => {
  await serve();
  await expect(new StatusServer(socket, () => null).listen()).rejects.toMatchObject({
    code: "STATUS_SOCKET_IN_USE",
  });
  expect(JSON.parse(await fetchStatus(socket))).toEqual({ desired: "1 vCPU" });
});

test("a file that is no socket is left alone", async () => {
  fs.mkdirSync(path.dirname(socket));
  fs.writeFileSync(socket, "precious");
  await expect(new StatusServer(socket, () => null).listen()).rejects.toThrow("is not a socket");
  expect(fs.readFileSync(socket, "utf8")).toBe("precious");
});

test("asking where nobody answers is an error", async () => {
  await expect(fetchStatus(path.join(dir, "nobody.sock"))).rejects.toMatchObject({
    code: "ENOENT",
  });
});
