// What the recorder is told of the monitor's connections: everything, as it was on the wire, and no secret.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { readRecordings, Recorder, type RecordedEvent } from "@selfscale/recording";
import { afterEach, beforeEach, expect, test } from "vitest";
import { LinkRig } from "../testing/link-rig.ts";
import { Peer } from "../testing/peer.ts";
import { tokenAuth } from "./auth.ts";

const V1 = '{"min":1,"max":1}\n';
const TOKEN = "a-secret-of-this-vm";
let rig: LinkRig;
let folder: string;
let file: string;

beforeEach(async () => {
  rig = new LinkRig();
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "selfscale-record-"));
  file = path.join(folder, "talk.jsonl");
  const log = { info: () => undefined, warn: () => undefined };
  rig.recorder = await Recorder.start({ file, app: "monitor", release: "0", log });
});
afterEach(async () => {
  await rig.stop();
  fs.rmSync(folder, { recursive: true });
});

/** Ends the recording, and gives all that is in it. */
async function recorded(): Promise<readonly RecordedEvent[]> {
  await rig.stop();
  await rig.recorder?.stop();
  return readRecordings(fs.readFileSync(file, "utf8")).flatMap(({ events }) => events);
}

test("the handshake, what follows, and who ended it", async () => {
  const { port, server } = await rig.serve();
  const peer = await Peer.shake(port, V1);
  await peer.frame(0);
  peer.ws.send("no JSON at all");
  await peer.frame(1);
  server.close(1, 1008, "enough");
  await peer.closing();
  const at = { vm: null, link: 1 };
  expect(await recorded()).toMatchObject([
    { ...at, kind: "opened", peer: expect.stringMatching(/^127\.0\.0\.1:\d+$/) as string },
    { ...at, kind: "frame", way: "in", text: V1 },
    { ...at, kind: "frame", way: "out", text: '{"version":1}' },
    { ...at, kind: "frame", way: "in", text: "no JSON at all" },
    { ...at, kind: "frame", way: "out", text: "echo no JSON at all" },
    { ...at, kind: "closed", by: "us", code: 1008, problem: "enough" },
  ]);
});

test("a range that is refused, with what it was told", async () => {
  const { port } = await rig.serve();
  const peer = await Peer.shake(port, '{"min":3,"max":4}');
  await peer.closing();
  const problem = "no common version: 1-2 and 3-4";
  expect((await recorded()).slice(1)).toMatchObject([
    { kind: "frame", way: "in", text: '{"min":3,"max":4}' },
    { kind: "frame", way: "out", text: JSON.stringify({ error: problem }) },
    { kind: "closed", by: "us", code: 1002, problem },
  ]);
});

test("a takeover is two links, and an agent that hangs up is known for it", async () => {
  const { port } = await rig.serve();
  const old = await Peer.shake(port, V1);
  await old.frame(0);
  const next = await Peer.shake(port, V1);
  await old.closing();
  next.ws.close(1001, "the agent is stopping");
  await rig.event("closed 2");
  expect((await recorded()).filter(({ kind }) => kind === "closed")).toMatchObject([
    { link: 1, by: "us", code: 4000, problem: "replaced by a new connection" },
    { link: 2, by: "peer", code: 1001, problem: "the agent is stopping" },
  ]);
});

test("who is sent away before a websocket is open, and no token", async () => {
  const tokenFile = path.join(folder, "token");
  fs.writeFileSync(tokenFile, TOKEN);
  const { port } = await rig.serve({}, tokenAuth(tokenFile));
  expect(await new Peer(port, { path: "/other" }).refusal()).toBe(404);
  const headers = { Authorization: `Bearer ${TOKEN}x` };
  expect(await new Peer(port, { headers }).refusal()).toBe(401);
  const peer = await Peer.shake(port, V1, TOKEN);
  await peer.frame(0);
  expect(await recorded()).toMatchObject([
    { link: 1, kind: "closed", by: "us", code: null, problem: "404 Not Found" },
    {
      link: 2,
      kind: "closed",
      by: "us",
      code: null,
      problem: "401 Unauthorized: connection without the token",
    },
    { link: 3, kind: "opened" },
    { link: 3, kind: "frame", way: "in" },
    { link: 3, kind: "frame", way: "out" },
    { link: 3, kind: "closed", by: "us", code: 1001 },
  ]);
  expect(fs.readFileSync(file, "utf8")).not.toContain(TOKEN);
});

test("the frames of a flood", async () => {
  const { port } = await rig.serve();
  const peer = await Peer.shake(port, V1);
  await peer.frame(0);
  for (let n = 0; n < 1_000; n += 1) peer.ws.send(`${n}`);
  await rig.event("closed 1 too many frames");
  const told = rig.events.filter((line) => line.startsWith("frame 1 ")).length;
  const all = await recorded();
  const heard = all.flatMap((one) => (one.kind === "frame" && one.way === "in" ? [one.text] : []));
  expect(heard.slice(1)).toEqual(heard.slice(1).map((_text, n) => String(n)));
  expect(heard.length - 1).toBeGreaterThan(told);
  const end = { kind: "closed", by: "us", code: 1008, problem: "too many frames" };
  expect(all).toContainEqual(expect.objectContaining(end));
});
