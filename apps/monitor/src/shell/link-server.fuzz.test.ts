// The real server under sockets that do anything: every connection ends, everything that is told adds up, and a healthy
// agent gets in and is heard after each of them. Replay with SEED=n.
import * as fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import { LinkRig } from "../testing/link-rig.ts";
import { Peer } from "../testing/peer.ts";
import { until } from "../testing/until.ts";
import {
  attack,
  clientFrame,
  FUZZ_SECONDS,
  SEED,
  UPGRADE,
  type Attack,
} from "../testing/ws-attack.ts";

const MIN_RUNS = 20;
/** Whoever says nothing is let go soon, so that the test ends. */
const HANDSHAKE_MS = 1_000;
/** Takeovers are slowed; this is not what is asked here. */
const TAKEOVERS = 1e9;
const rig = new LinkRig();

afterEach(() => rig.stop());

async function strike(port: number, { opening, chunks, ending }: Attack): Promise<void> {
  const { socket, heard } = await rig.raw(port, opening === "nothing" ? "" : UPGRADE);
  // On a busy machine the server may have let go of it before.
  const hears = (what: string) =>
    until(`${what}, or the end`, () => (heard().includes(what) || socket.closed ? true : null));
  if (opening !== "nothing") await hears("101");
  if (opening === "handshake") {
    socket.write(clientFrame(1, Buffer.from('{"min":1,"max":1}')));
    await hears('{"version":1}');
  }
  for (const chunk of chunks) socket.write(chunk);
  if (ending === "reset") socket.resetAndDestroy();
  if (ending === "half-close") socket.end();
  if (ending === "close") socket.destroy();
}

/** As if nothing had happened. What the attacker still had on its way may take the link over once. */
async function expectService(port: number): Promise<void> {
  for (;;) {
    const agent = await Peer.shake(port);
    agent.ws.send("hello");
    const isAnswered = () => (agent.frames.length > 1 ? agent.frames : null);
    const answered = await until("an answer, or an end", () => agent.closed ?? isAnswered());
    if ("code" in answered) {
      expect(answered).toEqual({ code: 4000, reason: "replaced by a new connection" });
      continue;
    }
    expect(answered.slice(0, 2)).toEqual(['{"version":1}', "echo hello"]);
    agent.ws.close();
    await agent.closing();
    return;
  }
}

/** Links open one after another, each ends once, and nothing is heard of one that is not open. */
class Order {
  #open: string | null = null;
  #last = 0;

  read(events: readonly string[]): void {
    for (const event of events) {
      const [what, link = ""] = event.split(" ");
      if (what === "opened") {
        expect(this.#open, event).toBeNull();
        expect(Number(link), event).toBe((this.#last += 1));
        this.#open = link;
      } else expect(link, event).toBe(this.#open);
      if (what === "closed") this.#open = null;
    }
  }
}

test(`hostile sockets, SEED=${SEED}`, { timeout: FUZZ_SECONDS * 1_000 + 60_000 }, async () => {
  const { port, server } = await rig.serve({
    handshakeMs: HANDSHAKE_MS,
    takeoverTokens: TAKEOVERS,
  });
  const endAt = performance.now() + FUZZ_SECONDS * 1_000;
  const order = new Order();
  let runs = 0;
  for (; runs < MIN_RUNS || performance.now() < endAt; runs += 1) {
    const [one] = fc.sample(attack, { seed: SEED + runs, numRuns: 1 });
    if (one !== undefined) await strike(port, one);
    await expectService(port);
    order.read(rig.events.splice(0));
    rig.logged.length = 0;
  }
  expect(server.counts().opened).toBeGreaterThanOrEqual(runs);
  console.info(`monitor sockets: ${runs} runs, SEED=${SEED}`);
});
