// What a hostile monitor does to one VM's machine, and when: data, so that a failing story can be made smaller.
// hostile-monitor.ts plays it.
import * as fc from "fast-check";
import { type LegacyMetrics } from "../../legacy/types.ts";
import { hostileText } from "../../testing/hostile-text.ts";
import { type HypervisorFacts } from "../types.ts";
import { GIB, MIB, UUID } from "./rig.ts";

const OTHER_UUID = "99999999-2222-3333-4444-555555555555";

/** Which of the agent's open questions; "shrink": the newest DownscaleRequest. */
export type Which = "newest" | "oldest" | "shrink";
export type Deed =
  | Readonly<{ kind: "connect" }>
  | Readonly<{ kind: "disconnect"; isCurrent: boolean }>
  | Readonly<{ kind: "shake"; version: 1 | 2; extra: Record<string, unknown> }>
  | Readonly<{ kind: "text"; text: string; isCurrent: boolean; times: number }>
  | Readonly<{ kind: "wish"; cpu: number; mem: number; id: number; extra: object }>
  | Readonly<{ kind: "answer"; which: Which; with: Record<string, unknown> }>
  /** Wants less, and agrees to it once it was asked, soon or late. */
  | Readonly<{ kind: "descend"; cpu: number; mem: number; agreesAfterMs: number; thenMs: number }>
  | Readonly<{ kind: "wait"; ms: number }>
  | Readonly<{ kind: "facts"; change: Partial<HypervisorFacts> }>
  | Readonly<{ kind: "guest"; what: "resets" | "keeps" | "plugs-nothing" | "is-fine" }>
  | Readonly<{ kind: "qemu"; what: "lost" | "attached" | "restarted" }>
  | Readonly<{ kind: "settled"; attempt: number; outcome: "refused" | "lost" | "timed-out" }>
  | Readonly<{ kind: "metrics"; metrics: LegacyMetrics }>
  | Readonly<{ kind: "bounds"; maxMib: number }>;

const which = fc.constantFrom<Which>("newest", "oldest", "shrink", "shrink", "shrink");
const gib = fc
  .constantFrom(0, -1, 0.25, 0.5, 0.6, 0.75, 1, 1.125, 1.5, 2, 2.5, 3, 9e6)
  .map((n) => n * GIB);
const cpu = fc.constantFrom(0, -1, 0.001, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4, 5, 1025);
const lowest = { cpu: 0.5, mem: GIB };

const deed: fc.Arbitrary<Deed> = fc.oneof(
  { weight: 3, arbitrary: fc.constant<Deed>({ kind: "connect" }) },
  {
    weight: 1,
    arbitrary: fc.boolean().map((isCurrent): Deed => ({ kind: "disconnect", isCurrent })),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("shake" as const),
      version: fc.constantFrom<1 | 2>(1, 2, 2),
      extra: fc.constantFrom<Record<string, unknown>>(
        { vm: UUID, features: ["size-report"] },
        { vm: UUID, features: ["size-report"] },
        { vm: UUID },
        { vm: OTHER_UUID },
        { vm: "" },
        { mem: 512 * MIB },
        { mem: GIB },
        {},
      ),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("text" as const),
      text: hostileText("from-monitor"),
      isCurrent: fc.constantFrom(true, true, true, false),
      times: fc.constantFrom(1, 1, 1, 1, 3, 30),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("wish" as const),
      cpu,
      mem: gib,
      id: fc.constantFrom(3, 5, 7, 2, 0, Number.MAX_SAFE_INTEGER),
      extra: fc.constantFrom({}, { reason: "idle" }, { ageMs: 5, floor: { cpu: -1, mem: 0 } }),
    }),
  },
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant("answer" as const),
      which,
      with: fc.constantFrom<Record<string, unknown>>(
        { type: "DownscaleResult", Ok: true, Status: "" },
        { type: "DownscaleResult", Ok: true, Status: "" },
        { type: "DownscaleResult", Ok: false, Status: "", lowest },
        { type: "DownscaleResult", Ok: false, Status: "x".repeat(20_000) },
        { type: "HealthCheck" },
        { type: "HealthCheck" },
        { type: "UpscaleConfirmation" },
        { type: "InternalError", error: "x".repeat(20_000) },
        { type: "InvalidMessage", error: "" },
        { type: "UpscaleRequest" },
        { type: "UpscaleRequest" },
      ),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("descend" as const),
      cpu: fc.constantFrom(0.25, 0.5, 0.75, 1, 2),
      mem: fc.constantFrom(0.5, 0.75, 1).map((n) => n * GIB),
      agreesAfterMs: fc.constantFrom(0, 100, 1_900, 2_100),
      thenMs: fc.constantFrom(0, 50, 500, 3_000),
    }),
  },
  {
    weight: 8,
    arbitrary: fc
      .constantFrom(
        0,
        1,
        40,
        100,
        100,
        300,
        1_100,
        1_100,
        600,
        1_000,
        1_999,
        2_001,
        3_000,
        5_000,
        16_000,
        61_000,
      )
      .map((ms): Deed => ({ kind: "wait", ms })),
  },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom<Partial<HypervisorFacts>>(
        { cpuUsedMilli: 0 },
        { cpuUsedMilli: 4_000 },
        { throttledShare: 1 },
        { throttledShare: 0 },
        { runState: "paused" },
        { runState: "running" },
      )
      .map((change): Deed => ({ kind: "facts", change })),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom("resets" as const, "keeps", "plugs-nothing", "is-fine")
      .map((what): Deed => ({ kind: "guest", what })),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom("lost" as const, "attached", "attached", "restarted")
      .map((what): Deed => ({ kind: "qemu", what })),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("settled" as const),
      attempt: fc.nat(20),
      outcome: fc.constantFrom("refused" as const, "lost", "timed-out"),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(0, 0.5, 9, 1e6).map((load): Deed => ({
      kind: "metrics",
      metrics: {
        system: {
          load1: load,
          load5: load,
          memTotalBytes: 480 * MIB,
          memUsageBytes: load * 100 * MIB,
          memCachedBytes: 0,
        },
        lfc: null,
      },
    })),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(512, 1_000, 2_560)
      .map((maxMib): Deed => ({ kind: "bounds", maxMib })),
  },
);

/** How the monitor usually shakes hands; `shake` does it otherwise. */
const replies = fc.constantFrom<Record<string, unknown>>(
  { version: 2, vm: UUID, features: ["size-report"] },
  { version: 2, vm: UUID, features: ["size-report"] },
  { version: 2, vm: UUID },
  { version: 2, mem: 2_560 * MIB },
  { version: 1 },
  { version: 1 },
);

/** Who the VM is, and what is done to it. */
export const agentStory = fc.record({
  hasQuota: fc.boolean(),
  hasMetrics: fc.boolean(),
  isLarge: fc.boolean(),
  reply: replies,
  deeds: fc.array(deed, { minLength: 5, maxLength: 80, size: "max" }),
});
export type AgentStory = typeof agentStory extends fc.Arbitrary<infer Story> ? Story : never;
