// What the monitor costs a PostgreSQL that it watches, natively: memory and CPU of its own, its queries, and the throughput of others.
import { cpus } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import { medianInterval } from "./median.ts";
import { withNativeMonitor } from "./native-monitor.ts";
import { pin } from "./pin.ts";
import { type PostgresCluster } from "./postgres-cluster.ts";
import { MONITOR_ROLE, untilServed, withPostgres } from "./postgres-rig.ts";
import { anonymousBytes, cpuMsOf } from "./process-cost.ts";
import { queriesIn } from "./statement-log.ts";
import { atMost, percentile, round, type Figure, type Section } from "./table.ts";

const GOALS = { anonymousMB: 22, share: 1, queriesPerSec: 2, queryMs: 1, throughput: 0.97 };
/** As of a small application's pool: what the monitor asks for grows with them. */
const IDLE_SESSIONS = 20;
/** Between a run of pgbench and the next one, and after the monitor goes on: what was put off is done by then. */
const BETWEEN_RUNS_MS = 500;

/** A million accounts: 150 MB, all of it in shared_buffers. */
const INIT = ["-i", "-q", "-s", "10"];
/** No writing, no disk, no planning. */
const RUN = ["-n", "-S", "-M", "prepared", "-c", "1", "-j", "1"];
/**
 * Client, server and monitor share one core, which they fill: every millisecond that the monitor takes is taken from them. With a second core
 * it could run beside them, and which of them runs where would vary by more than what is measured.
 */
const CORE = cpus().length - 1;

export type CostOptions = Readonly<{
  /** How long the monitor runs before anything is measured, and is idle while it is. */
  watchWarmUpMs: number;
  watchIdleMs: number;
  pairs: number;
  pgbenchSec: number;
}>;

export async function measurePostgresCosts(options: CostOptions): Promise<Section> {
  return await withPostgres(async ({ cluster, monitorArgs, version }) => {
    await cluster.client("pgbench", INIT);
    const sessions = Array.from({ length: IDLE_SESSIONS }, () => cluster.session());
    for (const session of sessions) await session.run("SELECT 1");
    const figures = await withNativeMonitor(monitorArgs, async ({ pid }) => {
      await untilServed(cluster);
      await pause(options.watchWarmUpMs);
      const idle = await idleFigures(cluster, pid, options.watchIdleMs);
      return [...idle, ...(await throughputFigures(cluster, pid, options))];
    });
    for (const session of sessions) await session.end();
    return {
      title: `Monitor natively beside ${version} with ${IDLE_SESSIONS} idle sessions`,
      figures,
      notes: [
        `idle for ${options.watchIdleMs / 1000} s after ${options.watchWarmUpMs / 1000} s of warming up; no agent is connected`,
        "queries: all that the server logged of the monitor's role, parsing and binding included (log_min_duration_statement = 0)",
        `pgbench ${RUN.join(" ")} for ${options.pgbenchSec} s over a unix socket, all data in shared_buffers; pgbench, PostgreSQL and the monitor on one core; pairs in alternating order`,
        "without: the same monitor, stopped by SIGSTOP, so that it is warm when it goes on; the interval is the sign test's",
      ],
    };
  });
}

async function idleFigures(
  cluster: PostgresCluster,
  pid: number,
  forMs: number,
): Promise<readonly Figure[]> {
  const [cpuMs, sinceMs] = [cpuMsOf(pid), Date.now()];
  await pause(forMs);
  const overMs = Date.now() - sinceMs;
  const share = ((cpuMsOf(pid) - cpuMs) / overMs) * 100;
  const ended = sinceMs + overMs;
  const queries = queriesIn(cluster.log(), MONITOR_ROLE)
    .filter(({ atMs }) => atMs >= sinceMs && atMs < ended)
    .map(({ ms }) => ms);
  if (queries.length === 0) throw new Error("PostgreSQL logged no query of the monitor");
  const [, secondSlowest = NaN] = queries.toSorted((a, b) => b - a).map(round);
  const p50 = round(percentile(queries, 0.5));
  return [
    atMost("anonymous memory", anonymousBytes(pid) / 1e6, GOALS.anonymousMB, "MB"),
    atMost("CPU, share of one core", share, GOALS.share, "%"),
    atMost("queries a second", queries.length / (overMs / 1000), GOALS.queriesPerSec, ""),
    atMost(`  the slowest of ${queries.length}`, Math.max(...queries), GOALS.queryMs, "ms"),
    { what: "  the second slowest, and p50", value: `${secondSlowest} ms, ${p50} ms` },
  ];
}

async function throughputFigures(
  cluster: PostgresCluster,
  pid: number,
  { pairs, pgbenchSec }: CostOptions,
): Promise<readonly Figure[]> {
  const run = async (isRunning: boolean): Promise<number> => {
    process.kill(pid, isRunning ? "SIGCONT" : "SIGSTOP");
    await pause(BETWEEN_RUNS_MS);
    const printed = await cluster.client("pgbench", [...RUN, "-T", `${pgbenchSec}`], CORE);
    const tps = Number(/^tps = ([\d.]+)/m.exec(printed)?.[1]);
    if (!(tps > 0)) throw new Error(`pgbench told no throughput: ${printed}`);
    return tps;
  };
  cluster.pin(CORE);
  pin(pid, CORE);
  const [withTps, withoutTps]: [number[], number[]] = [[], []];
  await run(true); // what was never read before is read now
  for (let pair = 0; pair < pairs; pair += 1) {
    for (const isRunning of pair % 2 === 0 ? [true, false] : [false, true]) {
      (isRunning ? withTps : withoutTps).push(await run(isRunning));
    }
    process.stderr.write(`bench: pgbench: pair ${pair + 1} of ${pairs}\n`);
  }
  process.kill(pid, "SIGCONT");
  return [ratioFigure(withTps, withoutTps), tpsFigure("with", withTps)];
}

function ratioFigure(withTps: readonly number[], withoutTps: readonly number[]): Figure {
  const ratios = withTps.map((tps, index) => tps / (withoutTps[index] ?? NaN));
  const { median, low, high } = medianInterval(ratios);
  const ends = [low, high].map((end) => (Number.isNaN(end) ? "?" : end.toFixed(3)));
  return {
    what: `pgbench with ÷ without it, ${ratios.length} pairs`,
    value: `median ${median.toFixed(3)}, 95 % ${ends.join(" to ")}`,
    goal: `lower end ≥ ${GOALS.throughput}`,
    isMet: low >= GOALS.throughput,
  };
}

function tpsFigure(which: string, tps: readonly number[]): Figure {
  const thousands = (value: number) => (value / 1000).toFixed(1);
  const [least, most] = [Math.min(...tps), Math.max(...tps)].map(thousands);
  const value = `${thousands(percentile(tps, 0.5))} (${least} to ${most})`;
  return { what: `  ${which}: thousand transactions a second`, value };
}
