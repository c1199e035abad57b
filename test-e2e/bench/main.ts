// `make bench`: measures speed and cost, and prints the figures with the machine they came from. Exit code 0 unless
// something could not be measured: a goal that is not met is a figure too.
import { parseArgs } from "node:util";
import { measureAllocators } from "./allocators.ts";
import { measureCodec } from "./codec.ts";
import { measureConnections } from "./connections.ts";
import { measureFleet } from "./fleet.ts";
import { measureNativeMonitor, measureStack } from "./footprint.ts";
import { measureFrames } from "./frames.ts";
import { measureLatency } from "./latency.ts";
import { loadLine, machineLines } from "./machine.ts";
import { measurePostgresCosts } from "./postgres-costs.ts";
import { measureReplay } from "./replay.ts";
import { measureDoors } from "./reserve-doors.ts";
import { measureGuestReserves } from "./reserve-in-guest.ts";
import { sectionLines, type Section } from "./table.ts";
import { measureWorlds } from "./worlds.ts";

const HELP = `make bench [ARGS="…"]: measures speed and memory, with real guests too, in about thirty-five minutes.

  --quick       fewer samples, in about seven minutes; says so
  --only PART   codec, replay, world, frames, connections, fleet, footprint, latency, postgres or allocators
  --help`;

const FULL = {
  ...{ codecRuns: 9, codecPairs: 200_000, replays: 5, worlds: 1_000 },
  ...{ floodMs: 15_000, cycles: 8, visitMs: 10_000, fleetWarmUpMs: 30_000, fleetMs: 60_000 },
  ...{ warmUpMs: 120_000, idleMs: 60_000, ramps: 17, busyRamps: 8, runs: 10 },
  ...{ reserves: 200, commands: 20, guestReserves: 100, plugs: 6 },
  ...{ watchWarmUpMs: 120_000, watchIdleMs: 60_000, pairs: 24, pgbenchSec: 3 },
};
const QUICK = {
  ...{ codecRuns: 3, codecPairs: 100_000, replays: 2, worlds: 100 },
  ...{ floodMs: 5_000, cycles: 3, visitMs: 3_000, fleetWarmUpMs: 10_000, fleetMs: 20_000 },
  ...{ warmUpMs: 20_000, idleMs: 10_000, ramps: 1, busyRamps: 1, runs: 1 },
  ...{ reserves: 30, commands: 5, guestReserves: 20, plugs: 2 },
  ...{ watchWarmUpMs: 5_000, watchIdleMs: 10_000, pairs: 6, pgbenchSec: 1 },
};
/** Whatever hangs, it ends. */
const DEADLINE_MS = 50 * 60_000;

type Part = Readonly<{ name: string; measure: () => Promise<Section> }>;

async function main(): Promise<number> {
  const { values } = parseArgs({
    args: process.argv.slice(2).filter((arg) => arg !== "--"),
    options: {
      quick: { type: "boolean", default: false },
      only: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const size = values.quick ? QUICK : FULL;
  const parts: Part[] = [
    { name: "codec", measure: () => measureCodec(size) },
    { name: "replay", measure: () => measureReplay(size) },
    { name: "world", measure: () => measureWorlds(size.worlds) },
    { name: "frames", measure: () => measureFrames(size) },
    { name: "connections", measure: () => measureConnections(size) },
    { name: "fleet", measure: () => measureFleet(size) },
    { name: "footprint", measure: () => measureNativeMonitor(size) },
    { name: "footprint", measure: () => measureStack(size) },
    { name: "latency", measure: () => measureLatency(size) },
    { name: "postgres", measure: () => measureDoors(size) },
    { name: "postgres", measure: () => measurePostgresCosts(size) },
    { name: "postgres", measure: () => measureGuestReserves(size) },
    { name: "allocators", measure: () => measureAllocators(size.runs) },
  ];
  const chosen = parts.filter(({ name }) => values.only === undefined || name === values.only);
  if (chosen.length === 0) {
    console.log(`bench: there is no part ${values.only ?? ""}\n\n${HELP}`);
    return 2;
  }
  console.log(`selfscale bench${values.quick ? " --quick: few samples, rough figures" : ""}\n`);
  for (const line of await machineLines()) console.log(line);
  return await measureAll(chosen);
}

async function measureAll(parts: readonly Part[]): Promise<number> {
  const startedAt = performance.now();
  let failures = 0;
  for (const { name, measure } of parts) {
    try {
      for (const line of sectionLines(await measure())) console.log(line);
    } catch (error) {
      failures += 1;
      console.log(`\n${name} could not be measured: ${sayError(error)}`);
    }
  }
  const minutes = ((performance.now() - startedAt) / 60_000).toFixed(1);
  console.log(`\n  load at the end: ${loadLine()}`);
  console.log(
    `bench: ${failures === 0 ? "done" : `${failures} part(s) not measured`} in ${minutes} minutes`,
  );
  return failures === 0 ? 0 : 1;
}

function sayError(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

setTimeout(() => {
  console.log(`bench: not done after ${DEADLINE_MS / 60_000} minutes`);
  process.exit(1);
}, DEADLINE_MS).unref();

process.exit(await main());
