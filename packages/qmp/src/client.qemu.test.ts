// Against a real QEMU without a guest: what is asked moves, what is used stays 0.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import * as z from "zod";
import { QmpClient } from "./client.ts";
import { isVirtioMem } from "./commands.ts";
import { QmpCommandError, QmpGreetingError, QmpLostError } from "./errors.ts";
import { type QmpEvent } from "./events.ts";
import {
  BASE_BYTES,
  BLOCK_BYTES,
  DEVICE_BYTES,
  type Qemu,
  QEMU_UUID,
  startQemu,
} from "./testing/qemu.ts";

const START_TIMEOUT_MS = 60_000; // generous: the machine may be busy
const VM0 = "/machine/peripheral/vm0";

/** Sessions of the running test, closed after it whatever happened. */
const open: QmpClient[] = [];
afterEach(() => {
  for (const client of open.splice(0)) client.close();
});

async function connect(address: string): Promise<QmpClient> {
  // Generous: the machine may be busy, and no test here waits for it to pass.
  const client = await QmpClient.connect(address, {
    greetingTimeoutMs: 20_000,
    commandTimeoutMs: 20_000,
  });
  open.push(client);
  return client;
}

describe("one QEMU for all", { timeout: START_TIMEOUT_MS }, () => {
  let qemu: Qemu;
  beforeAll(async () => {
    qemu = await startQemu();
  }, START_TIMEOUT_MS);
  afterAll(async () => {
    await qemu.stop();
  });

  test.for(["unix", "tcp"] as const)("greets over %s", async (kind) => {
    const client = await connect(qemu[kind]);
    expect(client.address).toBe(qemu[kind]);
    expect(client.greeting.capabilities).toContain("oob");
    const { qemu: version } = await client.execute("query-version", {});
    expect(client.greeting.version).toMatchObject(version);
    expect(version.major).toBeGreaterThanOrEqual(7);
  });

  test("tells what it is", async () => {
    const client = await connect(qemu.unix);
    expect(await client.execute("query-uuid", {})).toEqual({ UUID: QEMU_UUID });
    expect(await client.execute("query-status", {})).toMatchObject({ running: false });
    expect(await client.execute("query-kvm", {})).toMatchObject({ enabled: false });
    expect(await client.execute("query-memory-size-summary", {})).toEqual({
      "base-memory": BASE_BYTES,
      "plugged-memory": 0,
    });
  });

  test("moves what is requested, while the size stays 0 for want of a guest", async () => {
    const client = await connect(qemu.unix);
    const requestedBytes = 256 * BLOCK_BYTES;
    const wish = { path: VM0, property: "requested-size", value: requestedBytes };
    await client.execute("qom-set", wish);

    const devices = await client.execute("query-memory-devices", {});
    expect(devices.filter(isVirtioMem).map(({ data }) => data)).toEqual([
      {
        id: "vm0",
        memdev: "/objects/vmem0",
        node: 0,
        "block-size": BLOCK_BYTES,
        "max-size": DEVICE_BYTES,
        "requested-size": requestedBytes,
        size: 0,
      },
    ]);
    const size = { path: VM0, property: "size" };
    expect(await client.readProperty(size, z.int())).toBe(0);
    expect(await client.execute("qom-get", { path: VM0, property: "requested-size" })).toBe(
      requestedBytes,
    );
    await client.execute("qom-set", { ...wish, value: 0 });
  });

  test.for([
    {
      name: "no whole blocks",
      path: VM0,
      value: 5,
      errorClass: "GenericError",
      says: "block-size",
    },
    {
      name: "more than there is",
      path: VM0,
      value: 2 ** 40,
      errorClass: "GenericError",
      says: "exceed",
    },
    {
      name: "no such device",
      path: `${VM0}1`,
      value: 0,
      errorClass: "DeviceNotFound",
      says: "vm01",
    },
  ])("refuses $name, and the session goes on", async ({ path, value, errorClass, says }) => {
    const client = await connect(qemu.unix);
    const refused = client.execute("qom-set", { path, property: "requested-size", value });
    await expect(refused).rejects.toBeInstanceOf(QmpCommandError);
    await expect(refused).rejects.toMatchObject({ command: "qom-set", errorClass });
    await expect(refused).rejects.toHaveProperty("description", expect.stringContaining(says));
    await client.execute("query-status", {});
  });

  test.for([
    {
      name: "removing what is not there",
      run: "device_del",
      args: { id: "nope" },
      errorClass: "DeviceNotFound",
    },
    { name: "an unknown command", run: "nope", args: {}, errorClass: "CommandNotFound" },
    {
      name: "a second negotiation",
      run: "qmp_capabilities",
      args: {},
      errorClass: "CommandNotFound",
    },
    { name: "a missing argument", run: "qom-get", args: { path: VM0 }, errorClass: "GenericError" },
    { name: "a surplus argument", run: "query-status", args: { a: 1 }, errorClass: "GenericError" },
    // QEMU cannot parse a lone surrogate, and then refuses without an id.
    {
      name: "half a character",
      run: "device_del",
      args: { id: "\ud800" },
      errorClass: "GenericError",
    },
  ])("refuses $name: $errorClass", async ({ run, args, errorClass }) => {
    const client = await connect(qemu.unix);
    const refused = client.executeUntyped(run, args);
    await expect(refused).rejects.toMatchObject({ code: "QMP_COMMAND_FAILED", errorClass });
    await client.execute("query-status", {});
    expect(client.strayReplies).toBe(0);
  });

  test("plugs a CPU into the lowest free place, with the place as QEMU named it", async () => {
    const client = await connect(qemu.unix);
    const slots = await client.execute("query-hotpluggable-cpus", {});
    const free = slots.filter((slot) => slot["qom-path"] === null).reverse();
    expect(free.map(({ props }) => props["socket-id"])).toEqual([1, 2, 3]);

    const [lowest] = free;
    await client.execute("device_add", {
      ...lowest?.props,
      driver: lowest?.type ?? "",
      id: "cpu1",
    });
    const cpus = await client.execute("query-cpus-fast", {});
    expect(cpus.map((cpu) => cpu.props?.["socket-id"])).toEqual([0, 1]);
    expect(cpus.every((cpu) => cpu["thread-id"] > 0)).toBe(true);
    const again = client.execute("device_add", { ...lowest?.props, driver: lowest?.type ?? "" });
    await expect(again).rejects.toMatchObject({ errorClass: "GenericError" });
  });

  test("a second client hears nothing, until the first leaves", async () => {
    const first = await connect(qemu.unix);
    const second = QmpClient.connect(qemu.unix, { greetingTimeoutMs: 500 });
    await expect(second).rejects.toBeInstanceOf(QmpGreetingError);
    await expect(second).rejects.toMatchObject({ reason: "held" });
    await expect(second).rejects.toThrow(/another client holds the socket/);
    await first.execute("query-status", {}); // unharmed

    const third = connect(qemu.unix);
    first.close();
    await (await third).execute("query-status", {});
  });

  test("however many wait in vain, each is told that the socket is held", async () => {
    const first = await connect(qemu.unix);
    // Those who gave up stay in the kernel's queue; once it is full the kernel itself says no.
    for (let i = 0; i < 5; i += 1) {
      const waiting = QmpClient.connect(qemu.unix, { greetingTimeoutMs: 300 });
      await expect(waiting).rejects.toMatchObject({ code: "QMP_NO_GREETING", reason: "held" });
    }
    first.close();
    await expect
      .poll(() => connect(qemu.unix).then((client) => client.ended), { timeout: 20_000 })
      .toBeNull();
  });

  test("a reply of many chunks arrives whole", async () => {
    const client = await connect(qemu.unix);
    const schema = await client.executeUntyped("query-qmp-schema", {});
    expect(JSON.stringify(schema).length).toBeGreaterThan(100_000);
    expect(schema).toContainEqual(expect.objectContaining({ "meta-type": "command" }));
  });

  test("a reply longer than allowed ends the session", async () => {
    const client = await QmpClient.connect(qemu.unix, { maxLineBytes: 64 * 1024 });
    const lost = client.executeUntyped("query-qmp-schema", {});
    await expect(lost).rejects.toMatchObject({ reason: "line-too-long", wasSent: true });
    expect(client.ended?.reason).toBe("line-too-long");
  });

  test("50 commands at once are each answered with their own answer", async () => {
    const client = await connect(qemu.unix);
    const wish = { path: VM0, property: "requested-size" };
    const values = Array.from({ length: 50 }, (_, i) => i * BLOCK_BYTES);
    const read = values.map(async (value) => {
      const set = client.execute("qom-set", { ...wish, value });
      const seen = client.execute("qom-get", wish);
      await set;
      return await seen;
    });
    expect(client.unanswered).toBe(100);
    expect(await Promise.all(read)).toEqual(values);
    expect(client.unanswered).toBe(0);
  });

  test("events come in order, and can be waited for", async () => {
    const client = await connect(qemu.unix);
    const seen: QmpEvent[] = [];
    client.onAny((event) => seen.push(event));
    const resumed = client.nextEvent("RESUME");
    await client.execute("cont", {});
    await resumed;
    expect(await client.execute("query-status", {})).toEqual({ status: "running", running: true });
    await client.execute("stop", {});
    const reset = client.nextEvent("RESET");
    await client.execute("system_reset", {});
    expect((await reset).data).toEqual({ guest: false, reason: "host-qmp-system-reset" });
    await client.execute("system_powerdown", {});
    await client.execute("query-status", {});
    const names = seen.map(({ name }) => name);
    expect(names).toEqual(["RESUME", "STOP", "RESET", "POWERDOWN"]);
    expect(seen.every(({ timestamp }) => timestamp.seconds > 0)).toBe(true);
  });

  test("a migration tells of itself", async () => {
    const client = await connect(qemu.unix);
    const capabilities = [{ capability: "events", state: true }];
    await client.execute("migrate-set-capabilities", { capabilities });
    const options = { timeoutMs: 20_000 };
    const completed = client.nextEvent("MIGRATION", options, (e) => e.data.status === "completed");
    await client.execute("migrate", { uri: "exec:cat >/dev/null" });
    await completed;
    expect((await client.execute("query-migrate", {})).status).toBe("completed");
  });

  test.for([
    { name: "a monitor for people", socket: "human" as const },
    { name: "QMP in several lines", socket: "pretty" as const },
  ])("$name is not taken for QMP", async ({ socket }) => {
    const connecting = QmpClient.connect(qemu[socket], { greetingTimeoutMs: 20_000 });
    await expect(connecting).rejects.toMatchObject({ code: "QMP_NO_GREETING", reason: "not-qmp" });
    await expect(connecting).rejects.toThrow(/not QMP, or QMP with pretty=on/);
  });

  test("a closed client keeps no process alive", async () => {
    const script = fileURLToPath(new URL("./testing/connect-and-close.ts", import.meta.url));
    const child = spawn(process.execPath, ["--import", "tsx", script, qemu.unix], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
    expect(await once(child, "close")).toEqual([0, null]);
    expect(output).toBe("closed\n");
  });
});

describe("a QEMU of its own", { timeout: START_TIMEOUT_MS }, () => {
  let qemu: Qemu;
  const start = async () => {
    qemu = await startQemu();
    return await connect(qemu.unix);
  };
  afterEach(async () => {
    await qemu.stop();
  });

  test("quit is answered, then everything is lost", async () => {
    const client = await start();
    const shutdown = client.nextEvent("SHUTDOWN");
    const quit = client.execute("quit", {});
    expect((await shutdown).data).toEqual({ guest: false, reason: "host-qmp-quit" });
    expect(await quit).toEqual({});
    expect(await client.closed).toMatchObject({ reason: "ended-by-peer" });
    const late = client.execute("query-status", {});
    await expect(late).rejects.toMatchObject({ code: "QMP_CONNECTION_LOST", wasSent: false });
    await expect(client.nextEvent("STOP")).rejects.toBeInstanceOf(QmpLostError);
    await qemu.exited;
    await expect(QmpClient.connect(qemu.unix)).rejects.toMatchObject({ reason: "absent" });
  });

  test("a killed QEMU: what was asked is lost, its socket is stale", async () => {
    const client = await start();
    qemu.kill("SIGSTOP"); // so that it cannot answer before it dies
    const asked = client.execute("query-status", {});
    const waited = client.nextEvent("STOP");
    qemu.kill("SIGKILL");
    await expect(asked).rejects.toMatchObject({ reason: "ended-by-peer", wasSent: true });
    await expect(waited).rejects.toBeInstanceOf(QmpLostError);
    await qemu.exited;
    const stale = QmpClient.connect(qemu.unix);
    await expect(stale).rejects.toMatchObject({ reason: "refused", errno: "ECONNREFUSED" });
    await expect(stale).rejects.toThrow(/left over from a QEMU that was killed/);
    await expect(QmpClient.connect(qemu.tcp)).rejects.toMatchObject({ reason: "refused" });
  });

  test("a QEMU that hangs: timed out, and its late answer goes nowhere", async () => {
    const client = await start();
    qemu.kill("SIGSTOP");
    const first = client.execute("query-uuid", {}, { timeoutMs: 50 });
    await expect(first).rejects.toMatchObject({ code: "QMP_TIMED_OUT", timeoutMs: 50 });
    const second = client.execute("query-status", {});
    expect(client.unanswered).toBe(2);
    qemu.kill("SIGCONT");
    expect(await second).toMatchObject({ running: false });
    expect(client.strayReplies).toBe(1);
    expect(client.unanswered).toBe(0);
  });
});

test("without QEMU the test says which package to install", async () => {
  const path = process.env["PATH"];
  process.env["PATH"] = "/nowhere";
  try {
    await expect(startQemu()).rejects.toThrow(/install the package qemu-system-x86$/);
  } finally {
    process.env["PATH"] = path;
  }
});
