// The whole monitor in this process, on a pretended machine, spoken to by real websockets.
import { PRESETS } from "@selfscale/core";
import { decodeFromMonitor } from "@selfscale/protocol";
import { readRecordings } from "@selfscale/recording";
import fs from "node:fs";
import path from "node:path";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Config } from "./config/load.ts";
import { Monitor } from "./monitor.ts";
import { fetchText } from "./local-api/client.ts";
import { formatStatus } from "./shell/status.ts";
import { configFor } from "./testing/config.ts";
import { blocksBytes, FakeMachine } from "./testing/machine.ts";
import { Peer } from "./testing/peer.ts";
import { until } from "./testing/until.ts";

const MIB = 1024 ** 2;
const V2 = '{"min":1,"max":2,"features":["size-report"]}';
let machine: FakeMachine;
let monitor: Monitor;
let logged: string[] = [];
let crashes = 0;

beforeEach(() => {
  machine = new FakeMachine();
  logged = [];
  crashes = 0;
});
afterEach(async () => {
  await monitor.stop();
  machine.remove();
  expect(crashes).toBe(0);
});

async function start(change: Partial<Config> = {}, timers: Record<string, number> = {}) {
  const config = configFor(machine, change);
  const stream = { write: (line: string) => void logged.push(line) };
  monitor = new Monitor(config, {
    roots: machine.roots,
    log: pino({ level: "info" }, stream),
    timers,
    onCrash: () => crashes++,
  });
  return monitor.start();
}

const report = (change: object = {}) => {
  const size = (cpu: number, mem: number) => ({ cpu, mem: mem * MIB });
  const content = {
    actual: size(1, 512),
    requested: size(1, 512),
    permit: size(1, 512),
    bounds: { min: size(1, 512), max: size(4, 2560) },
    step: size(1, 128),
    ...change,
  };
  return JSON.stringify({ content, type: "SizeReport", id: 2 });
};

const downscale = (cpu: number, mem: number, id: number) =>
  JSON.stringify({ content: { target: { cpu, mem: mem * MIB } }, type: "DownscaleRequest", id });

/** The first frame after `from` of this type. */
function frameOf(peer: Peer, type: string, from = 0): Promise<Record<string, unknown>> {
  return until(`a ${type} came`, () => {
    for (const text of peer.frames.slice(from)) {
      const frame = JSON.parse(text) as Record<string, unknown>;
      if (frame.type === type) return frame;
    }
    return null;
  });
}

describe("with a version-1 agent", () => {
  test("the deployed conversation, byte for byte", async () => {
    const { port } = await start();
    const peer = await Peer.shake(port, '{"min":1,"max":1}\n');
    expect(await peer.frame(0)).toBe('{"version":1}');
    peer.ws.send('{"content":{},"type":"HealthCheck","id":2}\n');
    expect(await peer.frame(1)).toBe('{"type":"HealthCheck","id":2}');
    peer.ws.send(
      '{"content":{"granted":{"cpu":1,"mem":536870912}},"type":"UpscaleNotification","id":4}\n',
    );
    expect(await peer.frame(2)).toBe('{"type":"UpscaleConfirmation","id":4}');
    peer.ws.send(
      '{"content":{"target":{"cpu":0.25,"mem":134217728}},"type":"DownscaleRequest","id":6}\n',
    );
    expect(await peer.frame(3)).toMatch(
      /^\{"type":"DownscaleResult","Ok":false,"Status":".+","id":6\}$/,
    );
    peer.ws.send('{"content":{"error":"something"},"type":"InternalError","id":8}\n');
    peer.ws.send('{"content":{},"type":"HealthCheck","id":10}\n');
    expect(await peer.frame(4)).toBe('{"type":"HealthCheck","id":10}');
  });

  test("memory that runs out is an UpscaleRequest, with an odd id", async () => {
    const { port } = await start({}, { firstWordMs: 0 });
    const peer = await Peer.shake(port, '{"min":1,"max":1}\n');
    await peer.frame(0);
    machine.set({ anonBytes: 390 * MIB, availableBytes: 10 * MIB });
    expect(await frameOf(peer, "UpscaleRequest")).toEqual({ type: "UpscaleRequest", id: 3 });
  });

  test("told to speak version 1 only, it does so with a newer agent too", async () => {
    const { port } = await start({ protocolMax: 1 });
    const peer = await Peer.shake(port, V2);
    expect(await peer.frame(0)).toBe('{"version":1}');
  });
});

describe("with a version-2 agent", () => {
  test("says who it is, then what it wants", async () => {
    const { port } = await start();
    const peer = await Peer.shake(port, V2);
    expect(JSON.parse(await peer.frame(0))).toEqual({
      version: 2,
      vm: "12345678-9abc-4def-8123-456789abcdef",
      boot: "81838a16-da6c-4d5c-ada2-24de8e101159",
      features: ["size-report"],
    });
    peer.ws.send(report());
    expect(await frameOf(peer, "ScaleRequest")).toMatchObject({
      target: { cpu: 1, mem: 512 * MIB },
      id: 3,
    });
  });

  test("without a UUID it tells how much memory it sees", async () => {
    machine.write("sys/class/dmi/id/product_uuid", "00000000-0000-0000-0000-000000000000\n");
    const { port } = await start();
    const peer = await Peer.shake(port, V2);
    expect(JSON.parse(await peer.frame(0))).toMatchObject({ version: 2, mem: blocksBytes(4) });
  });

  test("a need is stated at once, in bytes and vCPUs", async () => {
    const { port } = await start();
    const peer = await Peer.shake(port, V2);
    peer.ws.send(report());
    await frameOf(peer, "ScaleRequest");
    const before = peer.frames.length;
    machine.set({ anonBytes: 390 * MIB, availableBytes: 10 * MIB });
    const request = await frameOf(peer, "ScaleRequest", before);
    expect((request.target as { mem: number }).mem).toBeGreaterThan(512 * MIB);
    expect(request.reason).toMatch(/^memory/);
    for (const text of peer.frames.slice(1))
      expect(decodeFromMonitor(text)).toMatchObject({ ok: true });
  });

  test("a shrink is judged by this moment, not by the last tick", async () => {
    // With an hour between samples only the look before the frame can see what has changed.
    const { port } = await start({ memoryEveryMs: 3_600_000, cpuEveryMs: 3_600_000 });
    machine.set({ totalBytes: 900 * MIB, availableBytes: 850 * MIB });
    const peer = await Peer.shake(port, V2);
    peer.ws.send(report({ actual: { cpu: 1, mem: 1024 * MIB } }));
    // Each of these is a look; the policy wants to have seen more than one.
    const answer = await until("a shrink is agreed to", async () => {
      const from = peer.frames.length;
      peer.ws.send(downscale(1, 768, 4));
      const result = await frameOf(peer, "DownscaleResult", from);
      return result.Ok === true ? result : null;
    });
    expect(answer).toMatchObject({ Ok: true, id: 4 });
    machine.set({ anonBytes: 700 * MIB, availableBytes: 150 * MIB });
    const from = peer.frames.length;
    await until("the last look is no longer fresh", () => {
      peer.ws.send(downscale(1, 768, 6));
      const text = peer.frames.slice(from).find((frame) => frame.includes('"Ok":false'));
      return text ?? null;
    });
  });

  test("nonsense is answered, counted, and in the end too much", async () => {
    const { port } = await start();
    const peer = await Peer.shake(port, V2);
    await peer.frame(0);
    peer.ws.send('{"content":{},"type":"HealthChekc","id":4}');
    expect(await frameOf(peer, "InvalidMessage")).toMatchObject({ id: 4 });
    peer.ws.send('{"content":{},"type":"HealthCheck","id":6}');
    expect(await frameOf(peer, "HealthCheck")).toMatchObject({ id: 6 });
    for (let i = 0; i < 25; i++) peer.ws.send("not json");
    expect(await peer.closing()).toMatchObject({ code: 1008 });
  });

  test("an agent that says nothing is gone, and the next one is served", async () => {
    const { port } = await start({}, { silenceMs: 100 });
    const peer = await Peer.shake(port, V2);
    expect((await peer.closing()).reason).toBe("silent for too long");
    const next = await Peer.shake(port, V2);
    expect(JSON.parse(await next.frame(0))).toMatchObject({ version: 2 });
  });
});

describe("hands", () => {
  test("a plugged memory block is brought online", async () => {
    await start();
    machine.setBlock(32, "offline");
    await until("it is online", () =>
      machine.read("sys/devices/system/memory/memory32/state") === "online_movable" ? true : null,
    );
  });

  test("where the kernel onlines by itself, what it left offline stays so", async () => {
    machine.write("sys/devices/system/memory/auto_online_blocks", "online_movable\n");
    machine.setBlock(32, "offline");
    await start();
    await until("some samples were taken", () =>
      monitor.status().monitor.memory.needBytes === null ? null : true,
    );
    expect(machine.read("sys/devices/system/memory/memory32/state")).toBe("offline");
  });

  test("a plugged CPU is brought online when more is wanted", async () => {
    machine.write("sys/devices/system/cpu/cpu1/online", "0");
    const { port } = await start();
    const peer = await Peer.shake(port, V2);
    const two = { cpu: 2, mem: 512 * MIB };
    peer.ws.send(report({ actual: two, requested: two, permit: two }));
    machine.set({ present: "0-1" });
    await until("it is online", () =>
      machine.read("sys/devices/system/cpu/cpu1/online") === "1" ? true : null,
    );
  });

  test("a CPU that can't be switched is said once and tried again", async () => {
    const { port } = await start();
    const peer = await Peer.shake(port, V2);
    const two = { cpu: 2, mem: 512 * MIB };
    peer.ws.send(report({ actual: two, requested: two, permit: two }));
    machine.set({ present: "0-1" });
    await until(
      "it is said",
      () => logged.find((line) => line.includes("SYSFS_WRITE_FAILED")) ?? null,
    );
    machine.write("sys/devices/system/cpu/cpu1/online", "0");
    await until("it is online", () =>
      machine.read("sys/devices/system/cpu/cpu1/online") === "1" ? true : null,
    );
    expect(logged.filter((line) => line.includes("SYSFS_WRITE_FAILED"))).toHaveLength(1);
  });
});

describe("what it tells", () => {
  test("status: the ladder, the reserve's factors, decisions and counts", async () => {
    const { port } = await start();
    const peer = await Peer.shake(port, V2);
    peer.ws.send(report());
    await frameOf(peer, "ScaleRequest");
    machine.set({ anonBytes: 390 * MIB, availableBytes: 10 * MIB });
    await until("it decided", () => monitor.status().decisions.at(-1) ?? null);
    expect(monitor.status()).toMatchObject({
      preset: "demo",
      calm: null,
      protocolMax: 2,
      machine: { uuid: "12345678-9abc-4def-8123-456789abcdef" },
      pageIn: { maxBytesPerSec: 100 * MIB, source: "config" },
      monitor: {
        ladder: { actual: { milliCpu: 1000, memBytes: 512 * MIB } },
        link: { version: 2 },
      },
      links: { opened: 1, takeovers: 0 },
      missing: [path.join(machine.roots.proc, "schedstat")],
    });
  });

  test.for([
    { preset: "demo" as const, calm: null, place: null, said: "preset demo" },
    { preset: "frugal" as const, calm: null, place: 0, said: "preset frugal, calm 0" },
    { preset: "default" as const, calm: 0.8, place: 0.8, said: "preset default, calm 0.8" },
  ])("how patient it is, in the status and the explanation: $said", async (row) => {
    await start({ preset: row.preset, calm: row.calm });
    const status = await until("it is measured", () => {
      const seen = monitor.status();
      return seen.monitor.memory.needBytes === null ? null : seen;
    });
    expect(status.calm).toBe(row.place);
    expect(formatStatus(status)).toContain(`${status.version}, ${row.said}, up `);
    const socketPath = path.join(machine.dir, "run", "monitor.sock");
    const { explanation } = JSON.parse(await fetchText(socketPath, "/explain")) as {
      explanation: readonly string[];
    };
    expect(explanation.at(-1)).toBe(`How patiently sizes fall is a setting: ${row.said}.`);
  });

  test("the cgroup of the settings is part of what is judged by, once it is there", async () => {
    await start({ cgroup: path.join(machine.dir, "postgresql") });
    const { memory } = await until("it judged", () => {
      const seen = monitor.status().monitor;
      return seen.memory.needBytes === null ? null : seen;
    });
    expect(memory.inputs).not.toHaveProperty("cgroupBytes");
    machine.write("postgresql/memory.current", String(70 * MIB));
    const bytes = await until("the group is seen", () => {
      return monitor.status().monitor.memory.inputs["cgroupBytes"] ?? null;
    });
    expect(bytes).toBe(70 * MIB);
  });

  test("a shadow and samples: in the status, and in the recording", async () => {
    const record = path.join(machine.dir, "talk.jsonl");
    const { demo } = PRESETS;
    const eager = { ...demo, memory: { ...demo.memory, reserveMaxBytes: 1024 * MIB } };
    const shadow = {
      preset: "default" as const,
      policy: { ...eager, memory: { ...eager.memory, reserveMinBytes: 1024 * MIB } },
    };
    const { port } = await start({ shadow, record, recordSamplesEveryMs: 250 });
    const peer = await Peer.shake(port, V2);
    peer.ws.send(report());
    const differing = await until("they differ", () => {
      const { shadow: seen } = monitor.status();
      return seen?.differs === true ? seen : null;
    });
    expect(differing).toMatchObject({ preset: "default", levels: { live: { milliCpu: 1000 } } });
    expect(differing.levels?.shadow.memBytes).toBeGreaterThan(1024 * MIB);
    const lines = formatStatus(monitor.status()).split("\n");
    expect(lines.find((line) => line.startsWith("shadow"))).toMatch(
      /^shadow +default: 1 vCPU, \d+ MiB where live is 1 vCPU, 512 MiB, for \d+ s$/,
    );
    const events = await until("two samples are written", () => {
      const seen = readRecordings(fs.readFileSync(record, "utf8"))[0]?.events ?? [];
      return seen.filter(({ kind }) => kind === "sample").length >= 2 ? seen : null;
    });
    const samples = events.filter((event) => event.kind === "sample");
    expect(samples[0]).toMatchObject({ cpu: { onlineCount: 1 }, mem: { totalBytes: 404 * MIB } });
    expect((samples[1]?.atMs ?? 0) - (samples[0]?.atMs ?? 0)).toBeGreaterThan(200);
    const { levels } = differing;
    expect(events).toContainEqual(
      expect.objectContaining({ kind: "shadow", preset: "default", ...levels }),
    );
  });

  test("metrics: the five names that version-1 agents need, and our own", async () => {
    const { metricsPort } = await start();
    const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
    const sample = (name: string) => Number(new RegExp(`^${name} (.+)$`, "m").exec(text)?.[1]);
    expect(sample("host_load1")).toBe(0.2);
    expect(sample("host_load5")).toBe(0.18);
    expect(sample("host_memory_total_bytes")).toBe(404 * MIB);
    expect(sample("host_memory_available_bytes")).toBe(360 * MIB);
    expect(sample("host_memory_cached_bytes")).toBe(0);
    expect(sample("selfscale_monitor_links_opened_total")).toBe(0);
  });

  test("a port in use fails the start and leaves nothing behind", async () => {
    const { port } = await start();
    const first = monitor;
    await expect(
      start({ listen: { address: "127.0.0.1", port }, status: `${machine.dir}/other.sock` }),
    ).rejects.toMatchObject({ code: "EADDRINUSE" });
    await first.stop();
  });
});
