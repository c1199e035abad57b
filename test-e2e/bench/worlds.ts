// How long the simulated worlds take: what decides how many of them a night can play.
import { runWorld, storyOf } from "@selfscale/simulator";
import { atMost, round, type Section } from "./table.ts";

const GOAL_SECONDS = 60;
const PER_GOAL = 1_000;

/** One core, one world after the other, the stories of seeds 1 to `worlds`. */
export function measureWorlds(worlds: number): Promise<Section> {
  let events = 0;
  let virtualMs = 0;
  let failed = 0;
  const cpuBefore = process.cpuUsage();
  const begin = performance.now();
  for (let seed = 1; seed <= worlds; seed += 1) {
    const story = storyOf(seed);
    const { problem, counts } = runWorld(story);
    events += counts.events;
    virtualMs += story.hostileMs + story.healthyMs;
    if (problem !== null) failed += 1;
  }
  const seconds = (performance.now() - begin) / 1000;
  const { user, system } = process.cpuUsage(cpuBefore);
  const cpuSeconds = (user + system) / 1e6;
  const per = (value: number) => (value * PER_GOAL) / worlds;
  return Promise.resolve({
    title: `Simulated hostile worlds of three VMs, ${worlds} seeds`,
    figures: [
      atMost("CPU time of 1 000 worlds, on one core", per(cpuSeconds), GOAL_SECONDS, "s"),
      { what: "  by the clock, as busy as this machine is", value: `${round(per(seconds))} s` },
      { what: "  events per world", value: `${round(events / worlds)}` },
      { what: "  virtual time per world", value: `${round(virtualMs / worlds / 1000)} s` },
      {
        what: "worlds in which something broke",
        value: String(failed),
        goal: "0",
        isMet: failed === 0,
      },
    ],
    notes: [
      "monitors look every 100 to 1000 ms, drawn per world; three worlds in a hundred have the agent's longest pauses",
      ...(worlds === PER_GOAL ? [] : [`scaled up from ${worlds} worlds`]),
    ],
  });
}
