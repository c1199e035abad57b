import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type QmpAddress } from "./address.ts";
import { QmpClient } from "./client.ts";
import { explainDialFailure } from "./dial.ts";
import { peerWith } from "./testing/fake-session.ts";
import { makeTempDir, type TempDir } from "./testing/temp-dir.ts";

const UNIX: QmpAddress = { kind: "unix", path: "/run/vm.qmp" };
const TCP: QmpAddress = { kind: "tcp", host: "localhost", port: 4444 };

let dir: TempDir;
beforeEach(() => {
  dir = makeTempDir();
});
afterEach(() => {
  dir.remove();
});

test.for([
  { errno: "ENOENT", address: UNIX, reason: "absent", says: "unix:/run/vm.qmp: no such socket" },
  { errno: "ENOTDIR", address: UNIX, reason: "absent", says: "no such socket" },
  {
    errno: "ECONNREFUSED",
    address: UNIX,
    reason: "refused",
    says: "left over from a QEMU that was killed",
  },
  {
    errno: "ECONNREFUSED",
    address: TCP,
    reason: "refused",
    says: "tcp:localhost:4444: nobody listens on that port",
  },
  { errno: "EACCES", address: UNIX, reason: "forbidden", says: "no permission" },
  { errno: "EPERM", address: UNIX, reason: "forbidden", says: "no permission" },
  { errno: "ENOTFOUND", address: TCP, reason: "unknown-host", says: "host name is unknown" },
  { errno: "ETIMEDOUT", address: TCP, reason: "timed-out", says: "no connection" },
  { errno: "EMFILE", address: UNIX, reason: "other", says: "connect EMFILE" },
])("$errno on $address.kind is $reason", ({ errno, address, reason, says }) => {
  const cause = Object.assign(new Error(`connect ${errno}`), { code: errno });
  const error = explainDialFailure(address, cause);
  expect(error).toMatchObject({ code: "QMP_CONNECT_FAILED", reason, errno, cause });
  expect(error.message).toContain(says);
});

test("a socket that is not there", async () => {
  const connecting = QmpClient.connect(`unix:${dir.file("nowhere")}`);
  await expect(connecting).rejects.toMatchObject({ reason: "absent", errno: "ENOENT" });
});

test("a file that is no socket", async () => {
  fs.writeFileSync(dir.file("plain"), "");
  const connecting = QmpClient.connect(`unix:${dir.file("plain")}`);
  await expect(connecting).rejects.toMatchObject({ reason: "refused", errno: "ECONNREFUSED" });
});

test("a port where nobody listens", async () => {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  const connecting = QmpClient.connect(`tcp:127.0.0.1:${port}`);
  await expect(connecting).rejects.toMatchObject({ reason: "refused", errno: "ECONNREFUSED" });
});

test("a socket in a folder closed to us", async () => {
  const server = net.createServer().listen(dir.file("qmp"));
  await once(server, "listening");
  fs.chmodSync(dir.path, 0);
  const NOBODY = 65534;
  const isRoot = process.geteuid?.() === 0; // root may look into any folder, so it steps down
  try {
    if (isRoot) process.seteuid?.(NOBODY);
    const connecting = QmpClient.connect(`unix:${dir.file("qmp")}`);
    await expect(connecting).rejects.toMatchObject({ reason: "forbidden", errno: "EACCES" });
  } finally {
    if (isRoot) process.seteuid?.(0);
    fs.chmodSync(dir.path, 0o700);
    await new Promise((resolve) => server.close(resolve));
  }
});

test("an address that is none", async () => {
  await expect(QmpClient.connect("/run/vm.qmp")).rejects.toMatchObject({
    code: "QMP_ADDRESS_INVALID",
  });
});

test("a deadline that is none", async () => {
  const connecting = QmpClient.connect(UNIX, { greetingTimeoutMs: 0 });
  await expect(connecting).rejects.toBeInstanceOf(RangeError);
});

test("an attempt aborted before it began", async () => {
  const reason = new Error("stopping");
  const connecting = QmpClient.connect(UNIX, { signal: AbortSignal.abort(reason) });
  await expect(connecting).rejects.toBe(reason);
});

test("an attempt aborted on the way leaves no connection behind", async () => {
  let noteClosed: () => void = () => undefined;
  const closed = new Promise<void>((resolve) => (noteClosed = resolve));
  const peer = await peerWith((link) => void link.socket.once("close", noteClosed));
  const stopping = new AbortController();
  const connecting = QmpClient.connect(peer.address, { signal: stopping.signal });
  const reason = new Error("stopping");
  stopping.abort(reason);
  await expect(connecting).rejects.toBe(reason);
  await closed;
});
