// The peers that the compatibility matrix meets, and what must come of each.
import { type VmLadder } from "../harness/agent-process.ts";
import { type Bundles, buildNextYear, releases, TODAY, unpackRelease } from "./releases.ts";

/** One kind of agent or monitor. Whichever side it is, the other one is today's. */
export type Kind = Readonly<{
  name: string;
  bundles: Bundles;
  /** The highest version it is told to speak; null: its own. */
  protocolMax: number | null;
  /** On a version-1 link the monitor says ScaleRequest, as the RFC author's draft does. */
  isDraft: boolean;
  /** Whether the agent knows where the VM's metrics are. */
  hasMetrics: boolean;
  version: number;
  mode: VmLadder["mode"];
}>;

/** Nobody decides for such a VM; that it runs out of memory is heard all the same. */
export function withoutMetrics(kind: Kind): Kind {
  return { ...kind, name: `${kind.name}, no metrics`, hasMetrics: false, mode: "held" };
}

/** Lowest first: an upgrade is a step to the next one. */
export async function kinds(): Promise<Kind[]> {
  const now = { bundles: TODAY, protocolMax: null, isDraft: false, hasMetrics: true };
  const computeControlled = { version: 2, mode: "compute-controlled" } as const;
  return [
    { ...now, name: "version 1 only", protocolMax: 1, version: 1, mode: "metrics-based" },
    {
      ...{ ...now, ...computeControlled, name: "version 1, unannounced ScaleRequest" },
      ...{ protocolMax: 1, isDraft: true, version: 1 },
    },
    ...releases().map((release) => ({
      ...{ ...now, ...computeControlled },
      ...{ name: `release ${release}`, bundles: unpackRelease(release) },
    })),
    { ...now, ...computeControlled, name: "version 2" },
    {
      ...{ ...now, ...computeControlled, name: "made-up version 3, offers 1 to 3" },
      bundles: await buildNextYear(),
    },
  ];
}
