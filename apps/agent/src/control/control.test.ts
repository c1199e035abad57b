// The control socket of a real fleet: real QEMU, real sockets.
import path from "node:path";
import { Writable } from "node:stream";
import { type VmState } from "@selfscale/core";
import { expect, onTestFinished, test, vi } from "vitest";
import { fromJson, toJson } from "../journal/json.ts";
import { replayTrace } from "../journal/replay.ts";
import { type ReloadStatus } from "../reload/reloader.ts";
import { memoryLog, size, startFleet, vmConfig } from "../testing/fleet.ts";
import { startGuest } from "../testing/guest.ts";
import { MIB, startQemu } from "../testing/qemu.ts";
import { makeTempDir } from "../testing/temp-dir.ts";
import { PATIENT, until } from "../testing/wait.ts";
import { ask, askInto } from "./client.ts";
import { type AgentStatus, type ExplainAnswer, type OrderAnswer } from "./routes.ts";
import { ControlServer } from "./server.ts";

vi.setConfig(PATIENT);

const UUID = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
const config: ReloadStatus = {
  ...{ file: "agent.yaml", loadedAt: "2026-01-01T00:00:00.000Z", problem: null },
  ...{ needRestart: [], reloads: 0, reloadsFailed: 0 },
};

async function startControl() {
  const qemu = await startQemu({ uuid: UUID });
  const guest = await startGuest({ uuid: UUID });
  const vm = vmConfig({ name: "pg-1", socket: qemu.socket, url: guest.monitor.url });
  const { fleet, lines } = startFleet([vm]);
  const socket = path.join(makeTempDir(), "agent.sock");
  const now = () => performance.now();
  const controlled = { fleet, config: () => config, release: "0.0.0", now };
  const server = new ControlServer(socket, controlled, memoryLog().log);
  await server.listen();
  onTestFinished(() => server.stop());
  const post = async (action: string, body: object = {}) =>
    JSON.parse(
      await ask(socket, { method: "POST", path: `/vms/pg-1/${action}`, body }),
    ) as OrderAnswer;
  const get = async <Body>(urlPath: string) =>
    JSON.parse(await ask(socket, { method: "GET", path: urlPath })) as Body;
  const status = async () => (await get<AgentStatus>("/status")).vms[0];
  const trace = async (query = "") => {
    let text = "";
    const out = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        text += chunk.toString();
        done();
      },
    });
    await askInto(socket, { method: "GET", path: `/vms/pg-1/trace${query}` }, out);
    return text;
  };
  await until("the monitor", async () => (await status())?.link.state === "up");
  const requestedMib = async () => ((await status())?.requested?.memBytes ?? 0) / MIB;
  return { guest, qemu, fleet, lines, socket, post, get, status, trace, requestedMib };
}

test("pause holds the size and remembers the level; resume lets it go on", async () => {
  const { guest, post, status, get, requestedMib, lines } = await startControl();
  expect(await post("pause", { for: "10m" })).toMatchObject({
    vm: "pg-1",
    operator: { paused: { until: expect.stringMatching(/^20\d\d-/) as unknown }, floor: null },
    warning: "the agent keeps this in memory only: a restart of the agent forgets it",
  });
  expect(await post("pause")).toMatchObject({ operator: { paused: { until: null } } });
  await guest.wish(2, 512);
  await until("the level", async () => (await status())?.desired?.memBytes === 512 * MIB);
  expect(await status()).toMatchObject({ reason: "paused", requested: size(1, 128) });
  const [answer] = await until("the answer", () => {
    const found = guest.framesOf("ScaleResponse");
    return found.length > 0 ? found : null;
  });
  expect(answer?.content).toMatchObject({
    outcome: "deferred",
    resources: { mem: { outcome: "deferred", reason: "paused" } },
  });
  expect(await get<ExplainAnswer>("/vms/pg-1/explain")).toMatchObject({
    reason: "paused",
    changes: ["selfscale-agent resume pg-1"],
    operator: { paused: { until: null } },
  });
  expect(await post("resume")).toEqual({
    vm: "pg-1",
    operator: { paused: null, floor: null },
    warning: null,
  });
  await until("the growth", async () => (await requestedMib()) === 512);
  const reasons = lines.map(({ reason }) => reason);
  expect(reasons).toEqual(expect.arrayContaining(["operator-paused", "operator-resumed"]));
});

test("a floor grows the VM, within its bounds, and is cleared", async () => {
  const { guest, post, status, requestedMib } = await startControl();
  await guest.wish(1, 128);
  const answer = await post("set-size", { cpu: "2", mem: "2Gi", for: "30m" });
  expect(answer.operator.floor).toMatchObject({ size: size(2, 2048) });
  expect(answer.warning).toContain("restart of the agent forgets it");
  await until("the growth", async () => (await requestedMib()) === 1152); // bounds.max
  await until("the CPUs", async () => (await status())?.actual?.milliCpu === 2000);
  expect((await post("set-size", { clear: true })).operator.floor).toBeNull();
  await until("the level", async () => (await status())?.desired?.memBytes === 128 * MIB);
});

test("a floor may name one resource, and is over after its time", async () => {
  const { post, status, requestedMib } = await startControl();
  await post("set-size", { mem: "256Mi", for: "1s" });
  await until("the growth", async () => (await requestedMib()) === 256);
  expect((await status())?.requested?.milliCpu).toBe(1000);
  await until("its end", async () => (await status())?.operator.floor === null);
});

test.for([
  { action: "pause", body: { for: "soon" }, problem: /for.*|seconds, minutes, hours or days/ },
  { action: "pause", body: { for: "32d" }, problem: /up to 31/ },
  { action: "pause", body: { until: 1 }, problem: /until/ },
  { action: "resume", body: { for: "1m" }, problem: /for/ },
  { action: "set-size", body: {}, problem: /name cpu, mem or both/ },
  { action: "set-size", body: { cpu: -1 }, problem: /vCPUs up to 1024/ },
  { action: "set-size", body: { mem: "1e9" }, problem: /bytes/ },
  { action: "set-size", body: { clear: false }, problem: /clear/ },
  { action: "set-size", body: { clear: true, mem: "1Gi" }, problem: /mem|clear/ },
])("a bad $action is refused and changes nothing: $body", async ({ action, body, problem }) => {
  const { post, status } = await startControl();
  await expect(post(action, body)).rejects.toThrow(problem);
  expect((await status())?.operator).toEqual({ paused: null, floor: null });
});

test("a trace of a real run replays to the same actions; another machine does not", async () => {
  const { guest, post, trace, requestedMib, status } = await startControl();
  await guest.wish(2, 512);
  await until("the growth", async () => (await requestedMib()) === 512);
  await post("pause");
  await guest.wish(1, 128);
  await post("resume");
  await until("the level", async () => (await status())?.desired?.memBytes === 128 * MIB);
  const text = await trace("?last=10m");
  const [header = "", ...lines] = text.trimEnd().split("\n");
  expect(JSON.parse(header)).toMatchObject({
    ...{ version: 1, vm: "pg-1", release: "0.0.0", isWhole: false }, // it runs for seconds
    spec: { name: "pg-1" },
    timers: { muteMs: 3_000 },
    state: { mode: "held" },
  });
  const kinds = lines.map((line) => (JSON.parse(line) as { event: { kind: string } }).event.kind);
  expect(kinds).toEqual(expect.arrayContaining(["frame-received", "operator-paused", "tick"]));
  const replayed = replayTrace(text);
  expect(replayed).toMatchObject({ vm: "pg-1", difference: null });
  expect(replayed.steps).toBe(lines.length);

  const { state, ...rest } = fromJson(header) as { state: VmState };
  const bounds = { min: size(1, 128), max: size(4, 256) };
  const other = { ...rest, state: { ...state, spec: { ...state.spec, bounds } } };
  const { difference } = replayTrace([toJson(other), ...lines].join("\n"));
  expect(difference?.then).not.toEqual(difference?.now);
});

test("a trace is whole when it reaches back far enough", async () => {
  const { trace, fleet } = await startControl();
  await until("some events", () => (fleet.status().vms[0]?.counters.steps ?? 0) > 5);
  await until("a second to have passed", async () => {
    const [header = ""] = (await trace("?last=1s")).split("\n");
    return (JSON.parse(header) as { isWhole: boolean }).isWhole;
  });
  await expect(trace("?last=never")).rejects.toThrow("seconds, minutes, hours or days");
  await expect(trace("?first=1s")).rejects.toThrow("first");
});

test.for([
  { name: "nothing", text: "", problem: "line 1 is no JSON" },
  { name: "another file", text: "{}\n", problem: "line 1: version" },
  { name: "a trace of next year", text: '{"version":2}\n', problem: "line 1: version" },
  {
    name: "cut short",
    text: '{"version":1,"vm":"a","release":"1","isWhole":true,"state":{}}\n{"at":1,"eve',
    problem: "line 2 is no JSON",
  },
  {
    name: "a line of something else",
    text: '{"version":1,"vm":"a","release":"1","isWhole":true,"state":{}}\n{"at":1}\n',
    problem: "line 2: ",
  },
])("what is no trace is told: $name", ({ text, problem }) => {
  expect(() => replayTrace(text)).toThrow(problem);
});
