// VMs that were taken out of the configuration, and when they are known to be gone. Real sockets.
import net from "node:net";
import path from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { QUICK, vmConfig } from "../testing/fleet.ts";
import { makeTempDir } from "../testing/temp-dir.ts";
import { PATIENT, until } from "../testing/wait.ts";
import { Departures } from "./departures.ts";

vi.setConfig(PATIENT);

function start() {
  const gone: string[] = [];
  const timers = { ...QUICK, capacityEveryMs: 10 };
  const departures = new Departures({ timers, onGone: (vm) => gone.push(vm) });
  onTestFinished(() => departures.stop());
  return { departures, gone };
}

async function listen(): Promise<{ socket: string; server: net.Server; looks: () => number }> {
  const socket = path.join(makeTempDir(), "qmp");
  let looks = 0;
  const server = net.createServer(() => (looks += 1));
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  onTestFinished(() => void server.close());
  return { socket, server, looks: () => looks };
}

test("a VM is there as long as somebody listens, and gone once", async () => {
  const { departures, gone } = start();
  const { socket, server, looks } = await listen();
  departures.watch("pg-1", { kind: "unix", path: socket });
  await until("three looks", () => looks() >= 3);
  expect(gone).toEqual([]);
  server.close();
  await until("it is gone", () => gone.length > 0);
  expect(departures.nameAt({ kind: "unix", path: socket })).toBeNull();
  expect(gone).toEqual(["pg-1"]);
});

test("one that is configured again is not looked for, under whatever name", async () => {
  const { departures, gone } = start();
  const { socket, server, looks } = await listen();
  departures.watch("pg-1", { kind: "unix", path: socket });
  await until("a look", () => looks() >= 1);
  expect(departures.nameAt({ kind: "unix", path: socket })).toBe("pg-1");
  departures.forget(vmConfig({ name: "pg-9", socket, url: "ws://127.0.0.1:9/" }));
  expect(departures.nameAt({ kind: "unix", path: socket })).toBeNull();
  server.close();
  const other = await listen();
  departures.watch("pg-2", { kind: "unix", path: other.socket });
  await until("the other is looked at", () => other.looks() >= 3);
  expect(gone).toEqual([]);
});
