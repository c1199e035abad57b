// Public names of this package.
export { runWorld } from "./world.ts";
export { type Outcome, type Problem, type RunOptions, type Sabotage } from "./outcome.ts";
export { FAULTS, type Fault, type FaultKind } from "./story/faults.ts";
export { storyOf } from "./story/story-of.ts";
export { type Demand, type Story, type VmPlan } from "./story/story.ts";
export { INVARIANTS, type InvariantNumber } from "./watch/broken.ts";
