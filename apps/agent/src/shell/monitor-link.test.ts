import { once } from "node:events";
import fs from "node:fs";
import net, { type AddressInfo } from "node:net";
import path from "node:path";
import { type VmEvent } from "@selfscale/core";
import { expect, onTestFinished, test, vi } from "vitest";
import { startLink } from "../testing/link.ts";
import { startMonitor, type TestConnection } from "../testing/monitor.ts";
import { makeTempDir } from "../testing/temp-dir.ts";
import { PATIENT, until } from "../testing/wait.ts";
import { SHELL_TIMERS } from "./timers.ts";

vi.setConfig(PATIENT);

const kinds = (events: readonly VmEvent[]) => events.map(({ kind }) => kind);
const connectionOf = (monitor: { connections: readonly TestConnection[] }, index = 0) =>
  until(`connection ${index}`, () => monitor.connections[index]);

test("says what it is told and hears what is said, newline or not", async () => {
  const monitor = await startMonitor(({ socket }, frame) => {
    socket.send(`${frame}!`);
    socket.send(`${frame}?\n`);
  });
  const { link, events, texts } = startLink(monitor.url);
  await until("an open link", () => events.length > 0);
  expect(events[0]).toEqual({ kind: "link-opened", link: 1 });
  link.send(1, "one");
  link.send(7, "to a link that never was");
  await until("both answers", () => texts().length === 2);
  expect(texts()).toEqual(["one!", "one?\n"]);
  const { request, frames } = await connectionOf(monitor);
  expect(frames).toEqual(["one"]);
  expect(request.headers["sec-websocket-extensions"]).toBeUndefined();
  expect(request.headers.authorization).toBeUndefined();
});

test("reads the token anew at each dial", async () => {
  const monitor = await startMonitor();
  const tokenFile = path.join(makeTempDir(), "token");
  fs.writeFileSync(tokenFile, "first\n");
  startLink(monitor.url, { tokenFile });
  expect((await connectionOf(monitor)).request.headers.authorization).toBe("Bearer first");
  fs.writeFileSync(tokenFile, "second");
  (await connectionOf(monitor)).socket.close();
  expect((await connectionOf(monitor, 1)).request.headers.authorization).toBe("Bearer second");
});

test("a token that can't be read or sent is a problem, and never shown", async () => {
  const monitor = await startMonitor();
  const tokenFile = path.join(makeTempDir(), "token");
  const { problems } = startLink(monitor.url, { tokenFile });
  await until("a problem", () => problems.length > 0);
  expect(problems[0]).toMatch(/ENOENT/);
  fs.writeFileSync(tokenFile, "two lines\nof secrets");
  await until("another problem", () => problems.at(-1) !== problems[0]);
  expect(problems.at(-1)).toBe(`${tokenFile} holds no token that can be sent`);
  fs.writeFileSync(tokenFile, "good");
  await connectionOf(monitor);
});

test("a refused upgrade is a problem with its status; it dials again", async () => {
  const monitor = await startMonitor();
  monitor.refuseWith(401);
  const { events, problems, counts } = startLink(monitor.url);
  await until("three refusals", () => problems.length >= 3);
  expect(new Set(problems)).toEqual(
    new Set(["the upgrade was refused with HTTP 401 (shown: no token, no certificate)"]),
  );
  expect(counts.get("dialsFailed")).toBe(problems.length);
  expect(events[0]).toEqual({
    kind: "link-closed",
    link: 1,
    problem:
      "no connection: the upgrade was refused with HTTP 401 (shown: no token, no certificate)",
  });
  monitor.refuseWith(null);
  await until("an open link", () => kinds(events).includes("link-opened"));
});

test("nobody there: the system's word, and it dials again", async () => {
  const monitor = await startMonitor();
  await monitor.close();
  const { problems } = startLink(monitor.url);
  await until("two failures", () => problems.length >= 2);
  expect(problems[0]).toBe(`connect ECONNREFUSED 127.0.0.1:${monitor.port}`);
});

test("a peer that never answers the upgrade is left", async () => {
  const sockets: net.Socket[] = [];
  const mute = net.createServer((socket) => sockets.push(socket));
  mute.listen(0, "127.0.0.1");
  await once(mute, "listening");
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    mute.close();
  });
  const { port } = mute.address() as AddressInfo;
  const timers = { ...SHELL_TIMERS, dialMs: 30, reconnectMinMs: 1, reconnectMaxMs: 1 };
  const { problems } = startLink(`ws://127.0.0.1:${port}/monitor`, { timers });
  await until("a failed dial", () => problems.length > 0);
  expect(problems[0]).toBe("no answer to the upgrade in 30 ms");
});

test("after the monitor closed, the next link has the next number", async () => {
  const monitor = await startMonitor();
  const { link, events } = startLink(monitor.url);
  (await connectionOf(monitor)).socket.close(1001, "restart");
  await connectionOf(monitor, 1);
  await until("the second link", () => events.length === 3);
  expect(events).toEqual([
    { kind: "link-opened", link: 1 },
    { kind: "link-closed", link: 1, problem: "the monitor closed the connection (1001: restart)" },
    { kind: "link-opened", link: 2 },
  ]);
  link.send(1, "late");
  link.send(2, "now");
  const { frames } = await connectionOf(monitor, 1);
  await until("the frame", () => frames.length > 0);
  expect(frames).toEqual(["now"]);
});

test("closes with the code and as much of the reason as fits", async () => {
  const monitor = await startMonitor();
  const { link, events } = startLink(monitor.url);
  await until("an open link", () => events.length > 0);
  link.close(1, 1008, "é".repeat(80));
  const { ended } = await connectionOf(monitor);
  const end = await until("the close", ended);
  expect(end).toEqual({ code: 1008, reason: "é".repeat(61) });
  expect(events[1]).toMatchObject({ kind: "link-closed", problem: "é".repeat(80) });
});

test.for<{ name: string; data: string | Buffer; code: number; problem: RegExp }>([
  { name: "too large", data: "x".repeat(32_769), code: 1009, problem: /Max payload size exceeded/ },
  { name: "binary", data: Buffer.from("{}"), code: 1003, problem: /a binary frame/ },
])("a frame that is $name ends the link", async ({ data, code, problem }) => {
  const monitor = await startMonitor();
  const { events, texts } = startLink(monitor.url);
  const { socket, ended } = await connectionOf(monitor);
  socket.send("fits".padEnd(32_768, "."));
  socket.send(data);
  expect((await until("the close", ended)).code).toBe(code);
  const closed = events.find(({ kind }) => kind === "link-closed");
  expect(closed).toMatchObject({ link: 1 });
  expect((closed as { problem: string }).problem).toMatch(problem);
  expect(texts().map((text) => text.length)).toEqual([32_768]);
});

test("more frames than the gate lets through wait; none is lost or reordered", async () => {
  const monitor = await startMonitor();
  const { texts } = startLink(monitor.url);
  const { socket } = await connectionOf(monitor);
  const sent = Array.from({ length: 130 }, (_, index) => String(index));
  for (const text of sent) socket.send(text);
  await until("the burst", () => texts().length >= 100);
  expect(texts().length).toBeLessThan(130);
  await until("the rest", () => texts().length === 130);
  expect(texts()).toEqual(sent);
});

test("a flood ends the link", async () => {
  const monitor = await startMonitor();
  const { events, counts, texts } = startLink(monitor.url);
  const { socket } = await connectionOf(monitor);
  for (let n = 0; n < 20_000; n += 1) socket.send("");
  await until("the end of it", () => kinds(events).includes("link-closed"));
  expect(events.at(-1)).not.toMatchObject({ kind: "frame-received" });
  expect(counts.get("floods")).toBe(1);
  expect(texts().length).toBeLessThan(200);
});

test("a peer that goes on talking after the close is cut off, not listened to", async () => {
  const monitor = await startMonitor();
  const { link, counts, events } = startLink(monitor.url);
  const { socket, request } = await connectionOf(monitor);
  await until("an open link", () => events.length > 0);
  socket.pause(); // our close is never read, let alone answered
  link.close(1, 1008, "enough");
  let isCut = false;
  request.socket.on("error", () => (isCut = true)).on("close", () => (isCut = true));
  await until("the cut", () => {
    for (let n = 0; n < 1000; n += 1) socket.send("x".repeat(1000));
    return isCut;
  });
  expect(counts.get("framesReceived")).toBeLessThan(1000);
});

test("answers pings, within the same rate", async () => {
  const monitor = await startMonitor();
  startLink(monitor.url);
  const { socket } = await connectionOf(monitor);
  let pongs = 0;
  socket.on("pong", () => (pongs += 1));
  socket.ping("are you there");
  await until("a pong", () => pongs === 1);
});

test("a monitor that does not read is left before memory fills", async () => {
  const monitor = await startMonitor();
  const { link, events } = startLink(monitor.url);
  const { socket } = await connectionOf(monitor);
  await until("an open link", () => events.length > 0);
  socket.pause();
  const frame = "x".repeat(32_000);
  await until("the end of it", () => {
    for (let n = 0; n < 32; n += 1) link.send(1, frame);
    return kinds(events).includes("link-closed");
  });
  expect(events[1]).toMatchObject({ problem: "the monitor does not read what it is sent" });
});

test("a stopped link says so, and dials no more", async () => {
  const monitor = await startMonitor();
  const { link, events, counts } = startLink(monitor.url);
  await until("an open link", () => events.length > 0);
  link.stop();
  expect(events[1]).toEqual({ kind: "link-closed", link: 1, problem: "the agent is stopping" });
  const { ended } = await connectionOf(monitor);
  expect(await until("the close", ended)).toEqual({ code: 1001, reason: "the agent is stopping" });
  expect(counts.get("dials")).toBe(1);
});
