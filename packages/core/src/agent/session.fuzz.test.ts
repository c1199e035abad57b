// Whole sessions with a monitor that does anything: the machine never throws, stays small, resizes only for who may ask,
// answers what is wrong once, and serves a healthy monitor afterwards. Replay with SEED=n; the smallest story is printed.
import { expect, test } from "vitest";
import { fuzz, FUZZ_TIMEOUT_MS, SEED } from "../testing/fuzz.ts";
import { agentStory, type AgentStory } from "./testing/hostile-deeds.ts";
import { HostileMonitor } from "./testing/hostile-monitor.ts";
import { size, type Frame } from "./testing/rig.ts";

const HEALTH_EVERY_MS = 5_000;
const WISH_ID = 1_000_001;

function play(story: AgentStory): void {
  const world = new HostileMonitor(story);
  for (const deed of story.deeds) world.do(deed);
  world.heal();
  expectService(world);
}

/** As if nothing had happened: at most the end of a link whose questions the hostile one left unanswered. */
function expectService(world: HostileMonitor): void {
  const { rig, vm } = world;
  rig.run(3 * HEALTH_EVERY_MS);
  if (world.book?.phase === "over") {
    expect(world.book.closeReason).toMatch(/unanswered|no handshake reply/);
    world.reconnect();
    rig.run(1_000);
  }
  const from = vm.frames.length;
  rig.wish(vm, 2, 1024, { id: WISH_ID });
  rig.run(6 * HEALTH_EVERY_MS);
  expect(world.book?.closeReason).toBeNull();
  const frames = vm.frames.slice(from);
  const of = (type: string) => frames.filter((frame) => frame.type === type);
  expect(of("HealthCheck").length).toBeGreaterThanOrEqual(5);
  expect(of("InvalidMessage")).toEqual([]);
  expect(vm.state.level?.size).toEqual(size(2, 1024));
  const answers = of("ScaleResponse").map(({ id }: Frame) => id);
  const isNew = vm.state.link.kind === "up" && vm.state.link.version >= 2;
  expect(answers).toEqual(isNew ? [WISH_ID] : []);
}

test(`a hostile monitor, SEED=${SEED}`, { timeout: FUZZ_TIMEOUT_MS }, () => {
  fuzz("agent sessions", agentStory, 100, play);
});
