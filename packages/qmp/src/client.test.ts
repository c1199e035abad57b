// Events, listeners, closing and arguments, with a peer that does what the test needs.
import { expect, test, vi } from "vitest";
import { type QmpEvent } from "./events.ts";
import { sessionWith } from "./testing/fake-session.ts";

test(
  "a flood of events is passed on in order, and answers still come",
  { timeout: 60_000 },
  async () => {
    const count = 50_000;
    const client = await sessionWith(async (link) => {
      const { id } = await link.command();
      for (let i = 0; i < count; i += 1) link.send({ event: "FLOOD", data: { i } });
      link.send({ id, return: "done" });
    });
    let seen = 0;
    let isOrdered = true;
    client.onAny((event) => {
      isOrdered &&= !event.known && event.data["i"] === seen;
      seen += 1;
    });
    expect(await client.executeUntyped("any", {}, { timeoutMs: 60_000 })).toBe("done");
    expect({ seen, isOrdered }).toEqual({ seen: count, isOrdered: true });
  },
);

test("a known event with strange data goes to onAny only", async () => {
  const name = "MEMORY_DEVICE_SIZE_CHANGE";
  const client = await sessionWith(async (link) => {
    const { id } = await link.command();
    link.send({ event: name, data: { size: "all of it" } });
    link.send({ event: name, data: { id: "vm0", size: 7, "qom-path": "/p" } });
    link.send({ id, return: {} });
  });
  const any: QmpEvent[] = [];
  const sizes: number[] = [];
  client.onAny((event) => any.push(event));
  client.on(name, (event) => sizes.push(event.data.size));
  await client.executeUntyped("any", {});
  expect(any.map(({ known }) => known)).toEqual([false, true]);
  expect(sizes).toEqual([7]);
});

test("an event waited for is the one that is wanted", async () => {
  const client = await sessionWith(async (link) => {
    await link.command();
    for (const status of ["setup", "active", "completed"]) {
      link.send({ event: "MIGRATION", data: { status } });
    }
  });
  const isActive = (event: { data: { status: string } }) => event.data.status === "active";
  const active = client.nextEvent("MIGRATION", {}, isActive);
  const never = client.nextEvent("RESUME", { timeoutMs: 20 });
  const timedOut = expect(never).rejects.toMatchObject({
    code: "QMP_TIMED_OUT",
    awaited: "RESUME",
  });
  const asked = client.executeUntyped("any", {}).catch((error: unknown) => error);
  expect((await active).data).toEqual({ status: "active" });
  await timedOut;
  client.close();
  expect(await asked).toMatchObject({ reason: "closed-here" });
});

test("one function subscribed twice is called twice, and stops one by one", async () => {
  const client = await sessionWith(async (link) => {
    for (let i = 0; i < 3; i += 1) {
      const { id } = await link.command();
      link.send({ event: "STOP" });
      link.send({ id, return: {} });
    }
  });
  const listener = vi.fn();
  const stops = [client.on("STOP", listener), client.on("STOP", listener)];
  const calls: number[] = [];
  for (const stop of [...stops, () => undefined]) {
    await client.executeUntyped("any", {});
    calls.push(listener.mock.calls.length);
    stop();
  }
  expect(calls).toEqual([2, 3, 3]);
});

test("a listener that throws ends the session with its error", async () => {
  const client = await sessionWith(async (link) => {
    await link.command();
    link.send({ event: "STOP" });
  });
  const cause = new Error("bug of ours");
  client.on("STOP", () => {
    throw cause;
  });
  const asked = client.executeUntyped("any", {});
  await expect(asked).rejects.toMatchObject({ reason: "listener-failed", cause });
  expect(await client.closed).toMatchObject({ reason: "listener-failed", cause });
});

test("a listener may close the session in the middle of a chunk", async () => {
  const client = await sessionWith(async (link) => {
    const { id } = await link.command();
    link.raw(`{"event": "STOP"}\n{"event": "RESUME"}\n{"id": ${id}, "return": 1}\n`);
  });
  const seen: string[] = [];
  client.onAny(({ name }) => {
    seen.push(name);
    client.close();
  });
  const asked = client.executeUntyped("any", {});
  await expect(asked).rejects.toMatchObject({ reason: "closed-here", wasSent: true });
  expect(seen).toEqual(["STOP"]);
});

test("closing is final, quiet and may be repeated", async () => {
  const client = await sessionWith((link) => {
    for (let i = 0; i < 100; i += 1) link.send({ event: "STOP" });
    link.socket.destroy(); // what was sent may meet a closed socket
  });
  const asked = client.executeUntyped("any", {});
  client.close();
  client.close();
  await expect(asked).rejects.toMatchObject({ reason: "closed-here" });
  expect(await client.closed).toMatchObject({ reason: "closed-here", cause: null });
  const late = client.executeUntyped("late", {});
  await expect(late).rejects.toMatchObject({ reason: "closed-here", wasSent: false });
});

test("arguments that fit no command are the caller's mistake, and are not sent", async () => {
  const client = await sessionWith(() => undefined);
  const wish = { path: "/machine/peripheral/vm0", property: "requested-size", value: Number.NaN };
  await expect(client.execute("qom-set", wish)).rejects.toBeInstanceOf(TypeError);
  await expect(client.executeUntyped("any", { n: 1n })).rejects.toBeInstanceOf(TypeError);
  const endless = client.execute("stop", {}, { timeoutMs: 2 ** 31 });
  await expect(endless).rejects.toBeInstanceOf(RangeError);
  expect(client.unanswered).toBe(0);
});
