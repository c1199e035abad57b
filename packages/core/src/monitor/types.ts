// What the monitor's machine learns (events) and wants done (actions). Data only.
import { type MonitorDecision } from "@selfscale/protocol";
import { type MonoMs } from "../agent/types.ts";
import {
  type GrantedReservations,
  type ReservationAnswer,
  type ReservationDoor,
  type ReservationRequest,
  type ReservationState,
} from "./reservations/types.ts";

export { type MonoMs };

/** CPU counters as they are read, five times a second. null: this kernel does not tell. */
export type CpuSample = Readonly<{
  /** Time CPUs did something, summed over CPUs since boot. Neither steal nor iowait is in it. */
  busyMs: number;
  /** Time CPUs had something to do and were not let, summed over CPUs since boot. Left out: this kernel does not tell. */
  stolenMs?: number;
  /** Time runnable tasks waited, summed over CPUs. Falls when a CPU goes offline. */
  runDelayMs: number | null;
  /** Time in which at least one task waited for a CPU, since boot. */
  somePressureMs: number | null;
  /** Tasks runnable at this instant, the reader itself among them. */
  runnable: number | null;
  onlineCount: number;
  /** Plugged, online or not. */
  presentCount: number;
}>;

/**
 * What one cgroup (version 2) holds and what it is denied: PostgreSQL's own. null: this kernel does not tell, and of the
 * limit: there is none. Counters begin anew with the group.
 */
export type CgroupMemory = Readonly<{
  /** All of it, the kernel's memory for it included. */
  currentBytes: number;
  anonBytes: number | null;
  /** Page cache that it was first to read, shmem included. */
  fileBytes: number | null;
  shmemBytes: number | null;
  /** The lower of memory.max and memory.high. */
  limitBytes: number | null;
  /** Time in which at least one of its tasks waited for memory. */
  somePressureMs: number | null;
  /** Times that its own limit left an allocation without memory. */
  limitHits: number | null;
  /** Its processes killed for lack of memory, whether its own limit or the machine was short. */
  oomKills: number | null;
}>;

/** Memory figures as they are read, ten times a second. null: this kernel does not tell. */
export type MemorySample = Readonly<{
  totalBytes: number;
  availableBytes: number;
  /** Page cache, Shmem included. */
  cachedBytes: number;
  swapTotalBytes: number;
  swapFreeBytes: number;
  anonBytes: number;
  shmemBytes: number;
  /** Counts since boot: pages, or events. */
  counters: Readonly<{
    /** Anonymous pages read back soon after they were swapped out: thrashing. */
    refaultedAnonPages: number;
    /** Cache pages read back soon after they were dropped: the cache is too small. */
    refaultedFilePages: number;
    /** Allocations that had to reclaim memory themselves. */
    allocationStalls: number;
    oomKills: number;
  }> | null;
  /** Time in which at least one task waited for memory, since boot. */
  somePressureMs: number | null;
  /** The kernel's units of memory hotplug. */
  blocks: Readonly<{ blockBytes: number; onlineCount: number; offlineCount: number }> | null;
  /** Left out: none is looked at. null: it is not there at the moment. */
  cgroup?: CgroupMemory | null;
}>;

/** PostgreSQL's file cache as it says itself, bytes: what it may fill now, and what it was started with room for. */
export type FileCacheSeen = Readonly<{ limitBytes: number; maxBytes: number }>;

export type MonitorEvent =
  /** Read now: `stepMonitor`'s `now` is the time of the reading. */
  | Readonly<{ kind: "cpu-sampled"; sample: CpuSample }>
  | Readonly<{ kind: "memory-sampled"; sample: MemorySample }>
  /** PostgreSQL was asked for its file cache. null: it has none, or does not answer any more. */
  | Readonly<{ kind: "file-cache-seen"; cache: FileCacheSeen | null }>
  /** What became of a `set-file-cache`. `limitBytes`: what PostgreSQL says now; null: it did not. */
  | Readonly<{
      kind: "file-cache-answered";
      order: number;
      limitBytes: number | null;
      problem: string | null;
    }>
  /** The handshake is done. Links are numbered by the shell; a new one replaces the old. */
  | Readonly<{ kind: "link-opened"; link: number; version: number; features: readonly string[] }>
  /** Before a frame the shell samples memory and CPU, so that a shrink is judged by this moment. */
  | Readonly<{ kind: "frame-received"; link: number; text: string }>
  | Readonly<{ kind: "link-closed"; link: number; problem: string }>
  /** Before it the shell samples memory: what is in use now is what the reservation comes on top of. */
  | Readonly<{ kind: "reservation-asked"; request: ReservationRequest }>
  /** Given back, or given up while it waited. Of an unknown one: no news. */
  | Readonly<{ kind: "reservation-released"; id: string }>
  /** What a door still has; all others of that door are gone. */
  | Readonly<{ kind: "reservations-listed"; door: ReservationDoor; ids: readonly string[] }>
  /** What the monitor before this one had granted, on the same boot of this machine. */
  | Readonly<{ kind: "reservations-found"; found: GrantedReservations }>
  | Readonly<{ kind: "tick" }>;

export type MonitorAction =
  | Readonly<{ kind: "send-frame"; link: number; text: string }>
  | Readonly<{ kind: "close-link"; link: number; code: number; reason: string }>
  /** Bring PostgreSQL's file cache to `bytes`. Nobody waits for an answer after `until`; a later order is the one to carry out. */
  | Readonly<{ kind: "set-file-cache"; order: number; bytes: number; until: MonoMs }>
  /** A level: bring CPUs online or take them offline until `count` are. */
  | Readonly<{ kind: "set-online-cpus"; count: number }>
  /** Plugged memory is offline: bring it online where the kernel does not by itself. */
  | Readonly<{ kind: "online-memory" }>
  /** For the door that asked. After `refused` and `ended` the id means nothing any more. */
  | Readonly<{
      kind: "reservation-changed";
      id: string;
      state: ReservationState;
      answer: ReservationAnswer;
    }>
  | Readonly<{ kind: "decide"; decision: MonitorDecision }>
  | Readonly<{ kind: "explain"; note: MonitorNote }>;

/**
 * The closed list of things the monitor says. One line each: the operator's manual is made from
 * here.
 */
export const MONITOR_NOTES = {
  "link-up": "An agent finished the handshake.",
  "link-down": "The connection to the agent ended; the size stays what it is.",
  "fell-back": "A version-1 agent did not know ScaleRequest; UpscaleRequest is used instead.",
  "peer-mistake":
    "The agent sent something that the protocol does not allow, or reported a failure.",
  "shrink-agreed": "The agent may make the VM smaller: what is in use fits.",
  "shrink-refused": "The agent may not make the VM smaller now.",
  "shrink-void": "A smaller size was agreed to and did not come; its CPUs are used again.",
  "file-cache-set": "PostgreSQL's file cache follows the size of the machine.",
  "file-cache-stuck": "PostgreSQL did not do as it was told with its file cache.",
  reacted: "Memory that was asked for is usable; how long it took was measured.",
  "reservation-waiting": "Somebody reserved more than there is; it was asked for.",
  "reservation-granted": "What was reserved can be used.",
  "reservation-refused": "What was reserved can't be had.",
  "reservation-ended": "A reservation ended; what it kept may be given back.",
  "oom-kill": "The kernel killed a process for lack of memory.",
} as const;

export type MonitorReason = keyof typeof MONITOR_NOTES;

/** Every "no", every surprise and every measurement. The shell logs it and keeps the last ones. */
export type MonitorNote = Readonly<{
  level: "info" | "warn";
  reason: MonitorReason;
  /** One sentence for people, with units. */
  message: string;
  /** Numbers behind the sentence. */
  data?: Readonly<Record<string, string | number | boolean | null>>;
}>;
