import { spawnSync } from "node:child_process";
import fs from "node:fs";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { fetchText } from "./client.ts";
import { ReservationDesk } from "./desk.ts";
import { LocalApi } from "./server.ts";

let dir = "";
let socket = "";
const running: LocalApi[] = [];

beforeEach(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), "selfscale-status-"));
  socket = path.join(dir, "run", "monitor.sock");
});
afterEach(async () => {
  for (const server of running.splice(0)) await server.stop();
  fs.rmSync(dir, { recursive: true });
});

const NOBODY = { now: () => 0, reserve: () => undefined, feed: () => undefined };

function create(group: string | null = null): LocalApi {
  return new LocalApi(socket, group, {
    status: () => ({ desired: "1 vCPU" }),
    explain: () => ["It is so."],
    reservations: () => ({ active: [] }),
    hasReservation: () => false,
    desk: new ReservationDesk(NOBODY),
  });
}

async function serve(group: string | null = null): Promise<LocalApi> {
  const server = create(group);
  await server.listen();
  running.push(server);
  return server;
}

const fetchStatus = (socketPath: string) => fetchText(socketPath, "/status");

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
  await expect(create().listen()).rejects.toMatchObject({
    code: "STATUS_SOCKET_IN_USE",
  });
  expect(JSON.parse(await fetchStatus(socket))).toEqual({ desired: "1 vCPU" });
});

test("a file that is no socket is left alone", async () => {
  fs.mkdirSync(path.dirname(socket));
  fs.writeFileSync(socket, "precious");
  await expect(create().listen()).rejects.toThrow("is not a socket");
  expect(fs.readFileSync(socket, "utf8")).toBe("precious");
});

test("asking where nobody answers is an error", async () => {
  await expect(fetchStatus(path.join(dir, "nobody.sock"))).rejects.toMatchObject({
    code: "MONITOR_UNREACHABLE",
    message: expect.stringContaining("ENOENT") as string,
  });
});

test("a group may be let in, by name or by number; nobody else is", async () => {
  const gid = process.getgid?.() ?? 0;
  const lines = fs.readFileSync("/etc/group", "utf8").split("\n");
  const name = lines.find((line) => line.split(":")[2] === String(gid))?.split(":")[0];
  for (const group of [String(gid), ...(name === undefined ? [] : [name])]) {
    const server = await serve(group);
    expect(fs.statSync(socket)).toMatchObject({ gid });
    expect(fs.statSync(socket).mode & 0o777).toBe(0o660);
    expect(fs.statSync(path.dirname(socket)).mode & 0o777).toBe(0o750);
    running.splice(0);
    await server.stop();
    fs.rmdirSync(path.dirname(socket));
  }
  await expect(create("nobody-has-this-group").listen()).rejects.toThrow("there is no group");
});

test.for([
  { mode: 0o700, then: 0o750, name: "ours alone is opened to that group" },
  { mode: 0o711, then: 0o711, name: "that others see is left as it is" },
])("a folder that was there before and $name", async ({ mode, then }) => {
  const folder = path.dirname(socket);
  fs.mkdirSync(folder, { recursive: true });
  fs.chmodSync(folder, mode);
  await serve(String(process.getgid?.() ?? 0));
  expect(fs.statSync(folder).mode & 0o777).toBe(then);
  expect(fs.statSync(socket).mode & 0o777).toBe(0o660);
});

test.runIf(process.getuid?.() === 0)(
  "without the right to give files away: a group that it is a member of, and words for any other",
  () => {
    // As the unit has it: root, with a group of its own and no capability to choose among others.
    const script = `
      import { LocalApi } from ${JSON.stringify(path.join(import.meta.dirname, "server.ts"))};
      const api = new LocalApi(${JSON.stringify(socket)}, process.argv[1], {});
      await api.listen().catch((error) => console.log(error.code, error.message));
      process.exit(0);
    `;
    const serveAs = (group: string) => {
      const drop = ["--bounding-set=-chown", "--inh-caps=-chown", "--regid=4242", "--clear-groups"];
      const node = [
        process.execPath,
        "--import",
        "tsx",
        "--input-type=module",
        "-e",
        script,
        group,
      ];
      return spawnSync("setpriv", [...drop, ...node], { encoding: "utf8" });
    };
    const other = serveAs("4243");
    expect(other.stdout).toContain(
      "STATUS_GROUP statusGroup: the monitor may not let group 4243 in (under systemd, install it with --status-group)",
    );
    fs.rmSync(path.dirname(socket), { recursive: true, force: true });
    expect([serveAs("4242").stdout, fs.statSync(path.dirname(socket)).gid]).toEqual(["", 4242]);
    expect(fs.statSync(path.dirname(socket)).mode & 0o777).toBe(0o750);
  },
);
