// A VM that can be moved: which of its resources really follow a ScaleRequest, found out once, and a way up and down.
import { type AgentSubject } from "../agent-subject.ts";
import { type AgentTalk, type Heard } from "../agent-talk.ts";
import { Broken, NotApplicable } from "../check.ts";
import {
  keptOf,
  RESOURCES,
  sayAmount,
  type Amount,
  type ResourceName,
  type SizeReport,
} from "../size-report.ts";

/** Steps between low and high: more memory than one slice of an agent in its default configuration. */
const STEPS: Amount = { cpu: 2, mem: 4 };
const GROWS_WITHIN_MS = 10_000;
const SHRINKS_WITHIN_MS = 30_000;
/** A refused or failed question is asked again after 5 s, a second time after 10 s. */
const ASKS_WITHIN_MS = 25_000;

export type Mover = Readonly<{
  talk: AgentTalk;
  /** What really moves: memory where it does. */
  resource: ResourceName;
  step: Amount;
  low: Amount;
  high: Amount;
}>;

type Findings = Readonly<{ low: Amount; high: Amount; moves: readonly ResourceName[] }>;
const FOUND = new WeakMap<AgentSubject, Findings>();

/** The steady version-2 connection with a report in hand. NotApplicable when the agent sends none. */
export async function reporting(
  agent: AgentSubject,
): Promise<Readonly<{ talk: AgentTalk; report: SizeReport }>> {
  agent.mustOffer(2);
  const talk = await agent.steady(2);
  const features = agent.range?.json?.features;
  if (!Array.isArray(features) || !features.includes("size-report")) {
    throw new NotApplicable("the agent does not name the feature size-report");
  }
  return { talk, report: await talk.reported("a SizeReport", () => true, 5_000) };
}

/** NotApplicable, with the reason, when nothing of this VM moves. */
export async function moverOf(
  agent: AgentSubject,
  only: ResourceName | null = null,
): Promise<Mover> {
  const { talk, report } = await reporting(agent);
  const found = FOUND.get(agent) ?? (await findOut(talk, report));
  FOUND.set(agent, found);
  const resource = found.moves.find((name) => only === null || name === only);
  if (resource === undefined) {
    const what = only === "mem" ? "memory" : (only ?? "size");
    throw new NotApplicable(`the ${what} of the agent's VM does not follow a ScaleRequest`);
  }
  const high = { ...found.low, [resource]: found.high[resource] };
  return { talk, resource, step: report.step, low: found.low, high };
}

/** The VM at its upper size, and there to stay until another level is stated. */
export async function risen(agent: AgentSubject, only: ResourceName | null = null): Promise<Mover> {
  const mover = await moverOf(agent, only);
  const { talk, resource, high } = mover;
  await talk.scale(high);
  await talk.reported(
    `${resource} of ${high[resource]}`,
    (report) => keptOf(report)[resource] >= high[resource],
    GROWS_WITHIN_MS,
  );
  return mover;
}

/** From the upper size to the lower: the agent's first question on the way. */
export async function asked({ talk, low }: Mover): Promise<Heard> {
  const mark = talk.mark();
  await talk.scale(low);
  return await question(talk, mark);
}

/** The first DownscaleRequest after `mark`; it may have to wait out the pause after an earlier refusal. */
export async function question(talk: AgentTalk, mark: number): Promise<Heard> {
  return await talk.hearsType("DownscaleRequest", mark, ASKS_WITHIN_MS);
}

/** Agrees to everything until the VM is at its lower size. */
export async function lowered({ talk, resource, low }: Mover): Promise<void> {
  talk.manners.shrink = "agree";
  await talk.scale(low);
  const isLow = (report: SizeReport) => keptOf(report)[resource] <= low[resource];
  await talk.reported(`${resource} of ${low[resource]}`, isLow, SHRINKS_WITHIN_MS);
}

/** Lets a VM come to rest at a size that it had: later checks want it so. It may take its time, or not do it at all. */
export async function backTo(talk: AgentTalk, size: Amount): Promise<void> {
  await talk.scale(size);
  // What was still growing shows by then.
  await talk.waits(1_200);
  const isBack = ({ actual }: SizeReport) => actual.mem <= size.mem;
  await talk.reported("the size before", isBack, SHRINKS_WITHIN_MS).catch(notInTime);
}

/** Throws Broken when a report since `mark` shows less than this. */
export function demandKept(talk: AgentTalk, mark: number, floor: Amount, why: string): void {
  for (const report of talk.reports(mark)) {
    const kept = keptOf(report);
    if (kept.cpu >= floor.cpu && kept.mem >= floor.mem) continue;
    throw new Broken(`${why}: ${sayAmount(kept)} is left of ${sayAmount(floor)}`);
  }
}

/** Asks for more of each resource and looks whether it comes. */
async function findOut(talk: AgentTalk, report: SizeReport): Promise<Findings> {
  const { low, high } = edgesOf(report);
  await talk.scale(high);
  const found = RESOURCES.map(async (name): Promise<ResourceName[]> => {
    if (high[name] <= low[name]) return [];
    const isThere = ({ actual }: SizeReport) => actual[name] >= high[name];
    return await talk.reported(name, isThere, GROWS_WITHIN_MS).then(() => [name], notInTime);
  });
  const moves = (await Promise.all(found)).flat();
  if (!talk.wire.isOpen) throw new Broken("the connection was closed when more was asked for");
  await backTo(talk, low);
  return { low, high, moves };
}

/** Where to move between: up from what the VM has, or from lower where there is no room above. */
function edgesOf({ actual, bounds, step }: SizeReport): Readonly<{ low: Amount; high: Amount }> {
  const stretch = { cpu: STEPS.cpu * step.cpu, mem: step.mem <= 1 ? 0 : STEPS.mem * step.mem };
  const each = (of: (name: ResourceName) => number): Amount => ({ cpu: of("cpu"), mem: of("mem") });
  const low = each((name) => {
    const highest = Math.min(actual[name], bounds.max[name] - stretch[name]);
    return Math.max(bounds.min[name], highest);
  });
  const high = each((name) => Math.min(low[name] + stretch[name], bounds.max[name]));
  return { low, high };
}

function notInTime(error: unknown): never[] {
  if (error instanceof Broken) return [];
  throw error;
}
