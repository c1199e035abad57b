// Whole sessions with an agent that does anything: the machine never throws, stays small, says only what this agent may
// hear, answers every request once, and serves a healthy agent afterwards. Replay with SEED=n.
import { encodeFromAgent } from "@selfscale/protocol";
import { expect, test } from "vitest";
import { fuzz, FUZZ_TIMEOUT_MS, SEED } from "../testing/fuzz.ts";
import { HostileAgent, monitorStory, type Deed } from "./testing/hostile-agent.ts";

const HEALTH_EVERY_MS = 5_000;

function play(isProbing: boolean, deeds: readonly Deed[]): void {
  const world = new HostileAgent(isProbing);
  for (const deed of deeds) world.do(deed);
  expectService(world);
}

/** As if nothing had happened, on the link that there is: the book sees to it that every answer comes. */
function expectService(world: HostileAgent): void {
  if (!world.book.isOpen) {
    expect(world.book.closeReason).not.toBe("");
    world.open(2);
  }
  const id = (n: number) => 1_000_000 + 2 * n;
  for (let n = 0; n < 6; n += 1) {
    world.say(encodeFromAgent({ type: "HealthCheck", content: {}, id: id(n) }));
    world.wait(HEALTH_EVERY_MS);
    expect(world.book.closeReason).toBeNull();
    expect(world.book.isOpen).toBe(true);
  }
  const content = { target: { cpu: 1, mem: 512 * 1024 ** 2 } };
  world.say(encodeFromAgent({ type: "DownscaleRequest", content, id: id(6) }));
}

test(`a hostile agent, SEED=${SEED}`, { timeout: FUZZ_TIMEOUT_MS }, () => {
  fuzz("monitor sessions", monitorStory, 100, ({ isProbing, deeds }) => play(isProbing, deeds));
});
