// The kernel knows who listens, also when the socket's file was removed. Real sockets.
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { mayStillListen } from "./listening.ts";

let folder: string;
let server: net.Server;

beforeEach(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "listening-"));
  server = net.createServer();
  await new Promise<void>((resolve) => server.listen(path.join(folder, "vm.qmp"), resolve));
});

afterEach(async () => {
  await new Promise((resolve) => server.close(resolve));
  fs.rmSync(folder, { recursive: true });
});

test("a socket that somebody removed is still listened on, until its process lets go", async () => {
  const address = { kind: "unix", path: path.join(folder, "vm.qmp") } as const;
  fs.rmSync(address.path);
  expect(await mayStillListen(address)).toBe(true);
  await new Promise((resolve) => server.close(resolve));
  expect(await mayStillListen(address)).toBe(false);
});

test("a socket that was never there is not", async () => {
  expect(await mayStillListen({ kind: "unix", path: path.join(folder, "other.qmp") })).toBe(false);
  expect(await mayStillListen({ kind: "tcp", host: "127.0.0.1", port: 1 })).toBe(false);
});

test.for<[string, boolean]>([
  ["0000000000000000: 00000002 00000000 00010000 0001 01 12345 run/vm.qmp", true],
  ["0000000000000000: 00000002 00000000 00010000 0001 01 12345 /elsewhere/vm.qmp", false],
  ["0000000000000000: 00000003 00000000 00000000 0001 03 12345 /run/vms/vm.qmp", false],
  ["0000000000000000: 00000002 00000000 00010000 0001 01 12345", false],
  ["", false],
])("by the kernel's line: %s", async ([line, isThere]) => {
  const table = path.join(folder, "unix");
  fs.writeFileSync(table, `Num       RefCount Protocol Flags    Type St Inode Path\n${line}\n`);
  expect(await mayStillListen({ kind: "unix", path: "/run/vms/vm.qmp" }, table)).toBe(isThere);
});

test("without the kernel's table only the file counts", async () => {
  const address = { kind: "unix", path: path.join(folder, "vm.qmp") } as const;
  expect(await mayStillListen(address, path.join(folder, "none"))).toBe(false);
});
