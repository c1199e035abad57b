// An agent and a monitor in a real guest, of which one becomes one kind after the other, and the other is today's.
import { readFileSync } from "node:fs";
import { AgentProcess } from "../harness/agent-process.ts";
import { type Guest, startGuest } from "../harness/guest.ts";
import { putFile } from "../harness/put-file.ts";
import { DEMO_BOUNDS, entryFor } from "../harness/stack.ts";
import { type Kind } from "./kinds.ts";
import { TODAY } from "./releases.ts";

export type Side = "agent" | "monitor";

/** The protocol's 60 s and a scrape's 5 s would be most of the time that a test takes. */
const TIMERS = {
  metricsModeAfterMs: 4_000,
  scrapeEveryMs: 1_000,
  retryMinMs: 1_000,
  reconnectMaxMs: 500,
};
/** Memory decides: a unit of CPU is large, and one of memory small enough to see each need. */
const LEGACY = { computeUnit: { cpu: 1, mem: "128Mi" } };
const BOUNDS = { ...DEMO_BOUNDS, max: { ...DEMO_BOUNDS.max, cpu: 2 } };
/** Small steps up, so that several needs fit into one guest. It comes down well after a need: no switch meets that. */
const POLICY = `memory:
  holdMs: 10000
  leadMs: 500
  aheadMs: 0
  growMaxMinBytes: 128Mi
  reserveMaxBytes: 128Mi
`;

const HOME_IN_GUEST = "/run/selfscale";
const CONFIG = `${HOME_IN_GUEST}/matrix.yaml`;
const DRAFT_CONFIG = `${HOME_IN_GUEST}/draft.yaml`;

type MonitorSetup = Readonly<{ bundle: string; args: readonly string[] }>;

export class Peers {
  readonly side: Side;
  readonly guest: Guest;
  readonly agent: AgentProcess;
  #kind: Kind;

  private constructor(side: Side, kind: Kind, guest: Guest, agent: AgentProcess) {
    this.side = side;
    this.guest = guest;
    this.agent = agent;
    this.#kind = kind;
  }

  /** The side named is of the first of these kinds, and can become each other one. */
  static async start(side: Side, kinds: readonly Kind[]): Promise<Peers> {
    const [kind] = kinds as [Kind];
    const guest = await startGuest({ name: "matrix" });
    try {
      await putFile(guest, CONFIG, POLICY);
      await putFile(guest, DRAFT_CONFIG, `${POLICY}probeScaleRequest: true\n`);
      for (const bundle of new Set(kinds.map((one) => monitorOf(side, one).bundle))) {
        await putFile(guest, inGuest(bundle), readFileSync(bundle));
      }
      await startMonitor(guest, monitorOf(side, kind));
      const vms = [entryOf(guest, side, kind)];
      const agent = await AgentProcess.start(
        { node: { cpu: 8, mem: "8Gi" }, legacy: LEGACY, timers: TIMERS, vms },
        agentOf(side, kind),
      );
      return new Peers(side, kind, guest, agent);
    } catch (error) {
      await guest.kill();
      throw error;
    }
  }

  get kind(): Kind {
    return this.#kind;
  }

  /** Replaces the side that varies; the other one only if its settings must change. */
  async become(kind: Kind): Promise<void> {
    const { side, guest } = this;
    const before = this.#kind;
    this.#kind = kind;
    const isOther = (of: (kind: Kind) => unknown) =>
      JSON.stringify(of(kind)) !== JSON.stringify(of(before));
    const needsAgent = side === "agent" || isOther((one) => entryOf(guest, side, one));
    // First, so that the old one does not meet the new monitor.
    if (needsAgent) await this.agent.halt();
    if (isOther((one) => monitorOf(side, one))) await startMonitor(guest, monitorOf(side, kind));
    if (needsAgent) {
      await this.agent.launch({ vms: [entryOf(guest, side, kind)] }, agentOf(side, kind));
    }
  }

  async stop(): Promise<void> {
    await this.agent.stop();
    await this.guest.kill();
  }
}

function monitorOf(side: Side, { bundles, protocolMax, isDraft }: Kind): MonitorSetup {
  const max = side === "monitor" ? protocolMax : null;
  const args = ["--preset", "demo", "--config", isDraft ? DRAFT_CONFIG : CONFIG];
  return {
    bundle: side === "monitor" ? bundles.monitor : TODAY.monitor,
    args: max === null ? args : [...args, "--protocol-max", String(max)],
  };
}

async function startMonitor(guest: Guest, { bundle, args }: MonitorSetup): Promise<void> {
  await guest.restartMonitor(args, inGuest(bundle));
}

/** Where a monitor of ours lies in the guest: named by its path, which tells releases apart. */
function inGuest(bundle: string): string {
  return `${HOME_IN_GUEST}/${bundle.replaceAll("/", "-")}`;
}

function agentOf(side: Side, { bundles }: Kind): string {
  return side === "agent" ? bundles.agent : TODAY.agent;
}

function entryOf(guest: Guest, side: Side, kind: Kind): Record<string, unknown> {
  const max = side === "agent" ? kind.protocolMax : null;
  return {
    ...entryFor(guest),
    bounds: BOUNDS,
    ...(kind.hasMetrics ? { metrics: guest.metricsUrl } : {}),
    ...(max === null ? {} : { protocolMax: max }),
  };
}
