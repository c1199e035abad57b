// The laboratory of policies, by its public names.
export {
  excludes,
  geometricMean,
  geometricMeanInterval,
  pairedDifferenceInterval,
  pairedRatioInterval,
  type BootstrapOptions,
  type Interval,
  type Sample,
  type SamplePair,
} from "./bootstrap.ts";
export { actuatorOf } from "./calibration/actuator.ts";
export { TCG_CALIBRATION } from "./calibration/tcg.ts";
export {
  type Calibration,
  type MemoryStep,
  type Spread,
  type Unplugs,
} from "./calibration/types.ts";
export {
  ACTUATORS,
  sizeForUsable,
  type ActuatorName,
  type ActuatorProfile,
} from "./machine/profile.ts";
export { type Machine } from "./machine/machine.ts";
export {
  optStar,
  optStarInput,
  scheduleCost,
  type OptStar,
  type OptStarInput,
} from "./opt-star.ts";
export { type Decider, type Observation, type Policy, type VmGiven, type Want } from "./policy.ts";
export {
  POLICIES,
  policyByName,
  type PolicyChoice,
  type PolicyEntry,
  type PolicyFor,
} from "./policies/registry.ts";
export { type SettingSpec, type SettingSpecs } from "./policies/settings.ts";
export { DEFAULT_RUN, run, runClairvoyant, type RunOptions, type Watcher } from "./run.ts";
export { PRICES, type Prices, type Score } from "./score.ts";
export { parseTrace } from "./trace/parse.ts";
export { DAY_TICKS, inventedOf, workloadFromTrace, type TraceOptions } from "./trace/resample.ts";
export { type ParsedTrace, type Trace, type TraceProblem } from "./trace/trace.ts";
export {
  blank,
  cut,
  NO_TROUBLE,
  TICK_SEC,
  type Hint,
  type LabSize,
  type Trouble,
  type Workload,
} from "./workload.ts";
export { clairvoyantSchedule, scheduled, type Schedule } from "./clairvoyant.ts";
export { monitorPolicy } from "./policies/ours.ts";
export { generate, type Generator } from "./workloads/shapes.ts";
export { generatorByName, SYNTHETIC } from "./workloads/synthetic.ts";
