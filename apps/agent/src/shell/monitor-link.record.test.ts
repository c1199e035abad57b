// What the recorder is told of a connection: everything, as it was on the wire, and no secret.
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { type VmEvent } from "@selfscale/core";
import { isLinkEvent, readRecordings, Recorder, type RecordedEvent } from "@selfscale/recording";
import { expect, onTestFinished, test, vi } from "vitest";
import { startMonitor } from "../testing/monitor.ts";
import { makeTempDir } from "../testing/temp-dir.ts";
import { PATIENT, until } from "../testing/wait.ts";
import { MonitorLink } from "./monitor-link.ts";
import { SHELL_TIMERS } from "./timers.ts";

vi.setConfig(PATIENT);

const TOKEN = "a-secret-of-this-vm";

async function startLink(url: string) {
  const folder = makeTempDir();
  const file = path.join(folder, "talk.jsonl");
  const tokenFile = path.join(folder, "token");
  fs.writeFileSync(tokenFile, TOKEN);
  const log = { info: () => undefined, warn: () => undefined };
  const recorder = await Recorder.start({ file, app: "agent", release: "0", log });
  const events: VmEvent[] = [];
  let frames = 0;
  const link = new MonitorLink({
    url,
    tokenFile,
    tls: null,
    timers: { ...SHELL_TIMERS, reconnectMinMs: 1, reconnectMaxMs: 20 },
    now: () => performance.now(),
    onEvent: (event) => events.push(event),
    onDialFailed: () => undefined,
    count: (what) => (frames += what === "framesReceived" ? 1 : 0),
    record: () => recorder.connection({ vm: "pg-1", address: url }),
  });
  onTestFinished(() => link.stop());
  link.start();
  /** Ends the recording, and gives all that is in it. */
  const recorded = async (): Promise<readonly RecordedEvent[]> => {
    link.stop();
    await recorder.stop();
    const text = fs.readFileSync(file, "utf8");
    expect(text).not.toContain(TOKEN);
    return readRecordings(text).flatMap((recording) => recording.events);
  };
  return { link, events, frames: () => frames, recorded };
}

const first = { vm: "pg-1", link: 1 };

test("opening, frames of both sides whatever they hold, and how it ended", async () => {
  const monitor = await startMonitor(({ socket }) => {
    socket.send("no JSON at all");
    socket.send(Buffer.from("binary"));
  });
  const url = monitor.url.replace("ws://", `ws://me:${TOKEN}@`).concat(`?key=${TOKEN}`);
  const { link, events, recorded } = await startLink(url);
  await until("an open link", () => events.some(({ kind }) => kind === "link-opened"));
  link.send(1, '{"min":1,"max":2}');
  await until("its end", () => events.some(({ kind }) => kind === "link-closed"));
  const all = (await recorded()).filter((event) => isLinkEvent(event) && event.link === 1);
  expect(all).toMatchObject([
    { ...first, kind: "opened", peer: monitor.url },
    { ...first, kind: "frame", way: "out", text: '{"min":1,"max":2}', isBinary: false },
    { ...first, kind: "frame", way: "in", text: "no JSON at all", isBinary: false },
    { ...first, kind: "frame", way: "in", text: "binary", isBinary: true },
    { ...first, kind: "closed", by: "us", code: 1003, problem: "a binary frame" },
  ]);
});

test("what never became a connection, and what the monitor ended", async () => {
  const monitor = await startMonitor();
  monitor.refuseWith(401);
  const { events, recorded } = await startLink(monitor.url);
  await until("a refusal", () => events.some(({ kind }) => kind === "link-closed"));
  monitor.refuseWith(null);
  const { socket } = await until("a connection", () => monitor.connections[0]);
  socket.close(4000, "replaced by a new connection");
  await once(socket, "close");
  await until("another connection", () => monitor.connections[1]);
  const all = await recorded();
  expect(all[0]).toMatchObject({
    ...{ ...first, kind: "closed", by: "us", code: null },
    problem: expect.stringContaining("the upgrade was refused with HTTP 401") as string,
  });
  expect(all).toContainEqual(
    expect.objectContaining({
      ...{ kind: "closed", by: "peer", code: 4000 },
      problem: "replaced by a new connection",
    }),
  );
});

test("frames that the gate holds back, and forgets at the end", async () => {
  const monitor = await startMonitor(({ socket }) => {
    for (let n = 0; n < 300; n += 1) socket.send(String(n));
  });
  const { link, events, frames, recorded } = await startLink(monitor.url);
  await until("an open link", () => events.some(({ kind }) => kind === "link-opened"));
  link.send(1, "go");
  const told = () => events.filter(({ kind }) => kind === "frame-received").length;
  await until("more than is let through at once", () => frames() > told());
  const heard = (await recorded()).flatMap((event) =>
    event.kind === "frame" && event.way === "in" ? [event.text] : [],
  );
  expect(heard).toEqual(heard.map((_text, n) => String(n)));
  expect(heard.length).toBeGreaterThan(told());
});
