// What one VM's machine on the agent learns (events) and wants done (actions). Data only.
import { type Bounds, type Size } from "@selfscale/protocol";
import { type LegacyConfig, type LegacyMetrics } from "../legacy/types.ts";
import { type Claim, type Verdict } from "../node/types.ts";
import { type AgentTimers } from "./timers.ts";
import { type MonoMs } from "../time.ts";

export { type MonoMs };

/** What the operator's file says about one VM, defaults filled in. */
export type VmSpec = Readonly<{
  name: string;
  bounds: Bounds;
  /** True when `cgroup:` is configured: CPU quotas can be set, so CPU moves in quarters. */
  hasQuota: boolean;
  /** True when `metrics:` is configured: a version-1 VM can be sized by its metrics. */
  hasMetrics: boolean;
  /** The highest protocol version to offer. 1 makes us a deployed agent to this monitor. */
  protocolMax: number;
  legacy: LegacyConfig;
}>;

/** The virtio-mem device as `query-memory-devices` shows it. */
export type MemoryDevice = Readonly<{
  /** Bytes the guest has plugged now. */
  sizeBytes: number;
  /** Bytes QEMU was last told. */
  requestedBytes: number;
  maxBytes: number;
  blockBytes: number;
}>;

/** What the kernel says of a QEMU's CPU: read without asking QEMU. */
export type CpuFacts = Readonly<{
  /** Quota ÷ period as read back; null when there is no cgroup or no limit is set. */
  quotaMilliCpu: number | null;
  /** Host CPU the QEMU process used over about the last second of readings; null until there are two. */
  cpuUsedMilli: number | null;
  /** Share of quota periods throttled over the same time; null without a quota. */
  throttledShare: number | null;
}>;

/** What QEMU and the kernel say now. The only source of `actual`. */
export type HypervisorFacts = CpuFacts &
  Readonly<{
    /** Changes when another QEMU process answers on the socket; then everything is forgotten. */
    process: string;
    /** SMBIOS UUID by `query-uuid`, lower case; null when it is all zero. */
    uuid: string | null;
    /** QEMU's own word: "running", "paused", "inmigrate", … Resizes need "running". */
    runState: string;
    baseMemBytes: number;
    /** null: the VM's memory is fixed. */
    memoryDevice: MemoryDevice | null;
    vcpusPlugged: number;
    vcpusMax: number;
  }>;

export type VmEvent =
  | Readonly<{ kind: "hypervisor-attached"; facts: HypervisorFacts }>
  | Readonly<{ kind: "hypervisor-observed"; facts: HypervisorFacts }>
  /** Answers `read-cpu`; everything else of the facts is as last observed. */
  | Readonly<{ kind: "cpu-read"; cpu: CpuFacts }>
  | Readonly<{ kind: "hypervisor-lost"; problem: string }>
  /** A command of ours ended. "done" means QEMU or the kernel took it, not that the guest met it. */
  | Readonly<{
      kind: "command-settled";
      attempt: number;
      outcome: "done" | "refused" | "lost" | "timed-out";
      problem: string | null;
    }>
  /** The websocket is open (the upgrade succeeded); nothing was said yet. */
  | Readonly<{ kind: "link-opened"; link: number }>
  | Readonly<{ kind: "frame-received"; link: number; text: string }>
  | Readonly<{ kind: "link-closed"; link: number; problem: string }>
  /** A page was read: of one kind, or of both. */
  | Readonly<{ kind: "metrics-scraped"; metrics: LegacyMetrics }>
  /** Answers every `seek-permit`, and comes by itself when the node is divided otherwise. */
  | Readonly<{
      kind: "permit-changed";
      permit: Size;
      isNodeFull: boolean;
      /** More than its share is held while others wait: come down to this, as far as the monitor agrees. */
      recall: Size | null;
      /** Why some of the wish waits; null: nothing does. */
      verdict: Verdict | null;
      /** The number of the last claim that the node knew of. */
      answers: number;
    }>
  | Readonly<{ kind: "bounds-changed"; bounds: Bounds }>
  /** The configuration was read anew; what the link and QEMU are reached by has not changed. */
  | Readonly<{ kind: "spec-changed"; spec: VmSpec; timers: AgentTimers; sliceBytes: number }>
  /** Hold the size: settle what shrinks, begin nothing. `until` null: until told otherwise. */
  | Readonly<{ kind: "operator-paused"; isPaused: boolean; until: MonoMs | null }>
  /** Keep it at least so large until then; null clears it, and `until` means nothing. */
  | Readonly<{ kind: "operator-floor"; floor: Size | null; until: MonoMs }>
  | Readonly<{ kind: "tick" }>;

export type VmAction =
  /** qom-set requested-size. Settles when QEMU took it. */
  | Readonly<{ kind: "set-memory"; attempt: number; requestedBytes: number }>
  /** device_add, lowest free id first, until this many vCPUs are plugged. */
  | Readonly<{ kind: "plug-cpu"; attempt: number; vcpus: number }>
  /** Write the quota (20 ms period) and read it back. */
  | Readonly<{ kind: "set-quota"; attempt: number; milliCpu: number }>
  /** Read everything from QEMU and the kernel again; comes back as `hypervisor-observed`. */
  | Readonly<{ kind: "observe" }>
  /** Read quota and CPU use from the kernel, nothing from QEMU; comes back as `cpu-read`. */
  | Readonly<{ kind: "read-cpu" }>
  | Readonly<{ kind: "send-frame"; link: number; text: string }>
  | Readonly<{ kind: "close-link"; link: number; code: number; reason: string }>
  /** Ask the node. Always answered by `permit-changed`. */
  | Readonly<{ kind: "seek-permit"; claim: Claim }>
  /** Scrape the VM's metrics from now on (or stop). */
  | Readonly<{ kind: "scrape"; isWanted: boolean }>
  | Readonly<{ kind: "explain"; note: Explanation }>;

/** Every "no", every move and every surprise. The shell logs it and keeps the last ones. */
export type Explanation = Readonly<{
  level: "info" | "warn";
  /** From a closed list, see explain.ts. */
  reason: string;
  /** One sentence for people, with units. */
  message: string;
  /** Numbers behind the sentence. */
  data?: Readonly<Record<string, string | number | boolean | null>>;
}>;
