// Public names of this package.
export { FAILED_SEEDS } from "./failed-seeds.ts";
export { type Outcome, type Problem, type RunOptions, type Sabotage } from "./outcome.ts";
export { FAULTS, type Fault, type FaultKind } from "./story/faults.ts";
export { readStory, type ReadStory } from "./story/read-story.ts";
export { shrink, type ShrinkOptions } from "./story/shrink.ts";
export { storyOf } from "./story/story-of.ts";
export { type Demand, type Story, type VmPlan } from "./story/story.ts";
export { tellStory } from "./story/tell.ts";
export { INVARIANTS, type InvariantNumber } from "./watch/broken.ts";
export { runWorld } from "./world.ts";
