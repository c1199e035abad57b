// A peer that misbehaves in a session: each command ends with a typed error or its own answer.
import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { QmpLostError, QmpTimeoutError } from "./errors.ts";
import { GREETING, type PeerLink } from "./testing/fake-peer.ts";
import { sessionWith } from "./testing/fake-session.ts";

/** Answers one command with these bytes. */
const answerRaw = (bytes: string | Uint8Array) => async (link: PeerLink) => {
  await link.command();
  link.raw(bytes);
};

const HELLO = `${JSON.stringify(GREETING)}\n`;
const NO_TEXT = Buffer.from([0x7b, 0xc3, 0x0a]);
const TOO_LONG = "more than 1024 bytes";

test.for([
  { name: "garbage", bytes: "]]]\n", reason: "garbage", says: 'no JSON object: "]]]"' },
  { name: "a list", bytes: "[]\n", reason: "garbage", says: "no JSON object" },
  { name: "no message", bytes: "{}\n", reason: "garbage", says: "neither reply nor event" },
  { name: "another greeting", bytes: HELLO, reason: "garbage", says: "greeted twice" },
  { name: "no text", bytes: NO_TEXT, reason: "garbage", says: "not UTF-8" },
  { name: "no end", bytes: "x".repeat(4096), reason: "line-too-long", says: TOO_LONG },
  { name: "too much", bytes: `${" ".repeat(4096)}{}\n`, reason: "line-too-long", says: TOO_LONG },
])("instead of an answer, $name: $reason ends the session", async ({ bytes, reason, says }) => {
  const client = await sessionWith(answerRaw(bytes), { maxLineBytes: 1024 });
  const asked = client.execute("query-status", {});
  const waited = client.nextEvent("STOP");
  await expect(asked).rejects.toMatchObject({ code: "QMP_CONNECTION_LOST", reason, wasSent: true });
  await expect(asked).rejects.toThrow(says);
  await expect(waited).rejects.toMatchObject({ code: "QMP_CONNECTION_LOST", reason });
  const end = await client.closed;
  expect(end.reason).toBe(reason);
  expect(end.message).toContain(says);
});

const BOTH = { return: {}, error: { class: "A", desc: "b" } };
test.for([
  { name: "an answer of the wrong kind", body: { return: { status: 5 } }, says: "✖" },
  { name: "neither return nor error", body: {}, says: '{\\"id\\":2}' },
  { name: "both return and error", body: BOTH, says: "return" },
  { name: "an error without a class", body: { error: "no" }, says: "error" },
])("$name: the command fails, the session goes on", async ({ body, says }) => {
  const client = await sessionWith(async (link) => {
    const { id } = await link.command();
    link.send({ id, ...body });
    const next = await link.command();
    link.send({ id: next.id, return: { status: "running", running: true } });
  });
  const asked = client.execute("query-status", {});
  await expect(asked).rejects.toMatchObject({ code: "QMP_UNEXPECTED_REPLY" });
  await expect(asked).rejects.toThrow(says);
  expect(await client.execute("query-status", {})).toEqual({ status: "running", running: true });
});

test("answers with other ids, no id, or twice reach nobody", async () => {
  const client = await sessionWith(async (link) => {
    const { id } = await link.command();
    for (const wrong of [0, -1, id + 1, 1e9, String(id), { id }, null, 1.5]) {
      link.send({ return: "wrong", id: wrong });
    }
    link.send({ return: "wrong" });
    link.send({ return: "right", id });
    link.send({ return: "again", id });
    const next = await link.command();
    link.send({ return: "next", id: next.id });
  });
  expect(await client.executeUntyped("first", {})).toBe("right");
  expect(await client.executeUntyped("second", {})).toBe("next");
  expect(client.strayReplies).toBe(10);
});

test("answers in another order each reach their own command", async () => {
  const client = await sessionWith(async (link) => {
    const commands = [await link.command(), await link.command(), await link.command()];
    for (const { id, execute } of commands.reverse()) link.send({ return: execute, id });
  });
  const names = ["a", "b", "c"];
  const answers = await Promise.all(names.map((name) => client.executeUntyped(name, {})));
  expect(answers).toEqual(names);
});

test("a late answer is dropped, and a fresh command gets its own", async () => {
  const client = await sessionWith(async (link) => {
    const first = await link.command();
    const second = await link.command();
    link.send({ return: "late", id: first.id });
    link.send({ return: "fresh", id: second.id });
  });
  const first = client.executeUntyped("first", {}, { timeoutMs: 20 });
  await expect(first).rejects.toBeInstanceOf(QmpTimeoutError);
  expect(await client.executeUntyped("second", {})).toBe("fresh");
  expect(client.strayReplies).toBe(1);
});

test("aborting gives the caller its own reason, and the answer to nobody", async () => {
  const stopping = new AbortController();
  const reason = new Error("stopping");
  const client = await sessionWith(async (link) => {
    const first = await link.command();
    stopping.abort(reason);
    const second = await link.command();
    link.send({ return: "late", id: first.id });
    link.send({ return: "fresh", id: second.id });
  });
  const options = { signal: stopping.signal };
  await expect(client.executeUntyped("first", {}, options)).rejects.toBe(reason);
  await expect(client.executeUntyped("never sent", {}, options)).rejects.toBe(reason);
  await expect(client.nextEvent("STOP", options)).rejects.toBe(reason);
  expect(await client.executeUntyped("second", {})).toBe("fresh");
});

test("a peer that never answers gets a bounded number of commands", async () => {
  const client = await sessionWith(() => undefined, { maxUnanswered: 3 });
  const options = { timeoutMs: 20 };
  const asked = [1, 2, 3].map((n) => client.executeUntyped(`c${n}`, {}, options));
  const surplus = client.executeUntyped("c4", {}, options);
  await expect(surplus).rejects.toMatchObject({ code: "QMP_BUSY", command: "c4" });
  for (const one of asked) await expect(one).rejects.toBeInstanceOf(QmpTimeoutError);
  // Given up by us, but still the peer's to answer: their places are taken.
  await expect(client.executeUntyped("c5", {}, options)).rejects.toMatchObject({
    code: "QMP_BUSY",
  });
  expect(client.unanswered).toBe(3);
});

test("characters cut by the edge of a chunk arrive whole", async () => {
  const text = "größe 漢字 🐘";
  const client = await sessionWith(async (link) => {
    const { id } = await link.command();
    for (const byte of Buffer.from(`${JSON.stringify({ return: text, id })}\n`)) {
      await link.flush(Uint8Array.of(byte));
    }
  });
  expect(await client.executeUntyped("any", {})).toBe(text);
});

test("an end in the middle of an answer: lost, and said so", async () => {
  const client = await sessionWith(async (link) => {
    const { id } = await link.command();
    link.socket.end(`{"id": ${id}, "return": {"sta`);
  });
  const asked = client.execute("query-status", {});
  await expect(asked).rejects.toBeInstanceOf(QmpLostError);
  await expect(asked).rejects.toThrow("in the middle of a line");
});

test("an answer and the end in one go: answered, then lost", async () => {
  const client = await sessionWith(async (link) => {
    const { id } = await link.command();
    link.socket.end(`{"id": ${id}, "return": 1}\n`);
  });
  const first = client.executeUntyped("a", {});
  const second = client.executeUntyped("b", {});
  const lost = expect(second).rejects.toMatchObject({ reason: "ended-by-peer", wasSent: true });
  expect(await first).toBe(1);
  await lost;
});

test("no listener is left behind on a signal that outlives its calls", async () => {
  const { signal } = new AbortController();
  const client = await sessionWith(
    async (link) => {
      for (;;) {
        const { id, execute } = await link.command();
        link.send({ event: "STOP" });
        if (execute !== "never") link.send({ id, return: {} });
      }
    },
    { signal },
  );
  const stopped = client.nextEvent("STOP", { signal });
  await client.executeUntyped("any", {}, { signal });
  await stopped;
  const never = client.executeUntyped("never", {}, { signal, timeoutMs: 20 });
  await expect(never).rejects.toBeInstanceOf(QmpTimeoutError);
  expect(getEventListeners(signal, "abort")).toEqual([]);
});
