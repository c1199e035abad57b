// What may come instead of a session: each is told apart, because each has another remedy.
import { expect, test } from "vitest";
import { QmpClient } from "./client.ts";
import { GREETING } from "./testing/fake-peer.ts";
import { peerWith } from "./testing/fake-session.ts";

const HELLO = `${JSON.stringify(GREETING)}\n`;
const NO_TEXT = Buffer.from([0xff, 0x00, 0x0a]);
const HELD = "another client holds the socket";
const NO_GREETING = "not with a greeting";

test.for([
  { name: "garbage", sends: "SSH-2.0-OpenSSH_9.2\r\n", reason: "not-qmp", says: "SSH-2.0" },
  { name: "bytes that are no text", sends: NO_TEXT, reason: "not-qmp", says: "UTF-8" },
  { name: "another hello", sends: '{"QMP": "hi"}\n', reason: "not-qmp", says: "no QMP greeting" },
  { name: "a long line", sends: "x".repeat(2048), reason: "not-qmp", says: "1024 bytes" },
  { name: "two greetings", sends: HELLO + HELLO, reason: "not-qmp", says: "greeted twice" },
])("$name: $reason, at once", async ({ sends, reason, says }) => {
  const peer = await peerWith((link) => {
    link.raw(sends);
  });
  const connecting = QmpClient.connect(peer.address, { maxLineBytes: 1024 });
  await expect(connecting).rejects.toMatchObject({ code: "QMP_NO_GREETING", reason });
  await expect(connecting).rejects.toThrow(says);
  await expect(connecting).rejects.toThrow(peer.address);
});

test.for([
  { name: "nothing at all", sends: "", reason: "held", says: HELD },
  { name: "half a greeting", sends: '{"QMP": {"ver', reason: "not-qmp", says: NO_GREETING },
  { name: "an event", sends: '{"event": "STOP"}\n', reason: "not-qmp", says: NO_GREETING },
  { name: "a greeting", sends: HELLO, reason: "mute", says: "qmp_capabilities got no answer" },
])("$name, then silence: $reason, at the deadline", async ({ sends, reason, says }) => {
  const peer = await peerWith((link) => {
    link.raw(sends);
  });
  const connecting = QmpClient.connect(peer.address, { greetingTimeoutMs: 300 });
  await expect(connecting).rejects.toMatchObject({ code: "QMP_NO_GREETING", reason });
  await expect(connecting).rejects.toThrow(says);
});

test.for([
  { name: "nothing", sends: "", says: "before a session began" },
  { name: "half a greeting", sends: '{"QMP"', says: "in the middle of a line" },
  { name: "a greeting", sends: HELLO, says: "before a session began" },
])("$name, then the end", async ({ sends, says }) => {
  const peer = await peerWith((link) => void link.socket.end(sends));
  const connecting = QmpClient.connect(peer.address);
  await expect(connecting).rejects.toMatchObject({ code: "QMP_NO_GREETING", reason: "ended" });
  await expect(connecting).rejects.toThrow(says);
});

test("negotiation refused", async () => {
  const peer = await peerWith(async (link) => {
    link.send(GREETING);
    const { id } = await link.command();
    link.send({ id, error: { class: "GenericError", desc: "not today" } });
  });
  const connecting = QmpClient.connect(peer.address);
  await expect(connecting).rejects.toMatchObject({ code: "QMP_NO_GREETING", reason: "refused" });
  await expect(connecting).rejects.toThrow("not today");
});

test("an attempt aborted while it waits for the greeting", async () => {
  const stopping = new AbortController();
  const reason = new Error("stopping");
  const peer = await peerWith(() => {
    stopping.abort(reason); // connected, and never greeted
  });
  await expect(QmpClient.connect(peer.address, { signal: stopping.signal })).rejects.toBe(reason);
});
