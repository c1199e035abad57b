// What checks of version 2 have in common: an agent that has heard a level, and what it reports.
import { type AgentPlayer, type Level, type WireSize } from "../agent-player.ts";
import { type MonitorSubject } from "../monitor-subject.ts";
import { type Frame } from "../wire.ts";
import { STEP } from "./sizes.ts";

/** The level is stated within 1 s of the agent's first frame; half a second for slow timers. */
export const FIRST_LEVEL_WITHIN_MS = 1_500;

/**
 * An agent on version 2 that has said one frame, and the level that it was told. It has reported no size yet, so the
 * level is the monitor's own view: what is reported from then on can stay close to it, and moves nothing.
 */
export async function hearLevel(
  monitor: MonitorSubject,
): Promise<Readonly<{ agent: AgentPlayer; level: Level }>> {
  const agent = await monitor.agent(2);
  agent.tell("HealthCheck");
  const level = await agent.level(FIRST_LEVEL_WITHIN_MS);
  return { agent, level };
}

/** What a SizeReport says, unless told otherwise: the VM has exactly this, and may have no more. */
export function reportOf(size: WireSize, more: object = {}): object {
  return {
    actual: size,
    requested: size,
    permit: size,
    bounds: { min: { cpu: Math.min(STEP.cpu, size.cpu), mem: STEP.mem }, max: size },
    step: STEP,
    ...more,
  };
}

/** The ScaleRequests among these frames. */
export function levelsOf(frames: readonly Frame[]): readonly Frame[] {
  return frames.filter(({ json }) => json?.type === "ScaleRequest");
}
