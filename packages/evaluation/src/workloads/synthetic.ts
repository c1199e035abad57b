// All synthetic workloads, by name.
import { cron, diurnal, herd, noisyFlat, pgbenchSpikes, squares } from "./cpu-loads.ts";
import { coldStart, createIndex, dsmBurst, leak } from "./memory-loads.ts";
import { type Generator } from "./shapes.ts";
import { backup, denial, lockStorm, loss, steal, stuckUnplug } from "./troubles.ts";

export const SYNTHETIC: readonly Generator[] = [
  pgbenchSpikes,
  cron,
  diurnal,
  createIndex,
  dsmBurst,
  leak,
  coldStart,
  herd,
  ...squares,
  noisyFlat,
  backup,
  lockStorm,
  steal,
  stuckUnplug,
  denial,
  loss,
];

/** null when there is none of that name. */
export function generatorByName(name: string): Generator | null {
  return SYNTHETIC.find((one) => one.name === name) ?? null;
}
