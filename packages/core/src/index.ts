// Everything that decides, by its public names.
export { AGENT_NOTES, note, sayMs, type AgentNote } from "./agent/explain.ts";
export { explainVm, type VmExplanation } from "./agent/explanation.ts";
export { withOrdersOf } from "./agent/operator.ts";
export { stepVm, vmWakeAt } from "./agent/machine.ts";
export { vmStatus, vmWhy, type VmStatus } from "./agent/status.ts";
export { AGENT_TIMERS, type AgentTimers } from "./agent/timers.ts";
export {
  type Explanation,
  type CpuFacts,
  type HypervisorFacts,
  type MemoryDevice,
  type MonoMs,
  type VmAction,
  type VmEvent,
  type VmSpec,
} from "./agent/types.ts";
export { initialVm, type ControlMode, type VmState } from "./agent/vm-state.ts";
export { legacyConfigProblem } from "./legacy/config-problem.ts";
export { DEPLOYED_LEGACY_CONFIG } from "./legacy/defaults.ts";
export { legacyDesired, type LegacyInput, type LegacyWish } from "./legacy/desired.ts";
export { parseLegacyMetrics, type ReadMetrics } from "./legacy/metrics.ts";
export {
  downscaleDenied,
  INITIAL_OVERRIDES,
  overridesWakeAt,
  upscaleRequested,
  type LegacyOverrides,
} from "./legacy/overrides.ts";
export {
  type LegacyConfig,
  type LegacyMetrics,
  type LfcMetrics,
  type SystemMetrics,
} from "./legacy/types.ts";
export {
  MONITOR_DEFAULTS,
  MONITOR_TIMERS,
  type MonitorConfig,
  type MonitorTimers,
} from "./monitor/config.ts";
export { explainMonitor } from "./monitor/explanation.ts";
export {
  initialShadow,
  shadowStatus,
  stepShadow,
  type Shadow,
  type ShadowLevels,
  type ShadowStatus,
} from "./monitor/shadow.ts";
export { grantedOf, isAwaited } from "./monitor/reservations/registry.ts";
export { type ReservationRow, type ReservationsStatus } from "./monitor/reservations/rows.ts";
export {
  MAX_RESERVATION_ID_CHARS,
  MAX_RESERVATION_OWNER_CHARS,
  MAX_RESERVATION_REASON_CHARS,
  MAX_RESERVATIONS_PER_DOOR,
  MAX_RESERVATIONS_PER_OWNER,
  RESERVATION_DOORS,
  RESERVATION_REASONS,
  type GrantedReservations,
  type Reservation,
  type ReservationAnswer,
  type ReservationDoor,
  type ReservationReason,
  type ReservationRequest,
  type ReservationState,
} from "./monitor/reservations/types.ts";
export { initialMonitor, type MonitorState } from "./monitor/state.ts";
export { monitorStatus, type MonitorStatus } from "./monitor/status.ts";
export { monitorWakeAt, stepMonitor } from "./monitor/step.ts";
export {
  MONITOR_NOTES,
  type CpuSample,
  type FileCacheSeen,
  type CgroupMemory,
  type MemorySample,
  type MonitorAction,
  type MonitorEvent,
  type MonitorNote,
  type MonitorReason,
} from "./monitor/types.ts";
export { stepArbiter } from "./node/arbiter.ts";
export { nodeUse, standings, type NodeUse, type Standing } from "./node/standing.ts";
export { initialArbiter, type ArbiterState } from "./node/state.ts";
export {
  VERDICT_RULES,
  type ArbiterEvent,
  type Capacity,
  type Claim,
  type Member,
  type PermitChange,
  type Verdict,
  type VerdictRule,
} from "./node/types.ts";
export {
  BRAKE_LIMITS,
  INITIAL_BRAKE,
  PRESSURES,
  pressureShare,
  stepBrake,
  type BrakeLimits,
  type BrakeState,
  type NodeSignals,
  type Pressure,
} from "./node/brake.ts";
export { reserveOfDetected } from "./node/reserve.ts";
export { type CpuPolicy, type MemoryPolicy, type PolicyConfig } from "./policy/config.ts";
export { PRESET_CALM, PRESETS, withCalm, type PresetName } from "./policy/presets.ts";
export { type PostgresActivity } from "./policy/postgres/activity.ts";
export {
  INITIAL_ANTICIPATION,
  stepAnticipation,
  type AnticipationState,
} from "./policy/postgres/anticipate.ts";
export {
  ANTICIPATION_DEFAULTS,
  FILE_CACHE_DEFAULTS,
  type AnticipationPolicy,
  type FileCachePolicy,
} from "./policy/postgres/config.ts";
export {
  connectionBytes,
  indexBuildBytes,
  queryBytes,
  vacuumBytes,
} from "./policy/postgres/estimate.ts";
export {
  type PostgresSettings,
  type SessionSettings,
  type SettingsOverride,
} from "./policy/postgres/settings.ts";
