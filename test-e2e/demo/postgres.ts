// `make demo ARGS=--postgres`: an index build and a sort that a VM of 512 MiB can't hold. At a fixed size they are killed, with
// every session; with selfscale the memory is there first, because somebody said so in SQL or because the event trigger saw it.
import { AgentProcess } from "../harness/agent-process.ts";
import { startGuest } from "../harness/guest.ts";
import { GuestSqlError } from "../harness/guest-postgres.ts";
import { INDEX, PostgresStory, RESERVED, SORT, WORK_MEM } from "../harness/postgres-story.ts";
import { DEMO_BOUNDS, entryFor } from "../harness/stack.ts";
import { MIB, Truth } from "../harness/truth.ts";
import { until } from "../harness/until.ts";

const VM = "pg-1";
const NODE = { cpu: 4, mem: "4Gi" };
const RESERVE = `SELECT * FROM selfscale.reserve('${RESERVED}', wait => '60 s', reason => 'the demo')`;
const OFF = "SET selfscale.anticipate = off";

type Chapter = Readonly<{ title: string; sql: string; isKilled: boolean }>;
type Outcome = Readonly<{
  title: string;
  isDone: boolean;
  tookMs: number;
  mostMiB: number;
  kills: number;
  isRestarted: boolean;
}>;

const FIXED: readonly Chapter[] = [
  { title: "fixed 512 MiB: CREATE INDEX", sql: INDEX, isKilled: true },
  { title: "fixed 512 MiB: a sort", sql: SORT, isKilled: true },
];
const RESERVING: readonly Chapter[] = [
  {
    title: "reserve(): CREATE INDEX",
    sql: `${OFF};\nBEGIN;\n${RESERVE};\n${INDEX};\nCOMMIT;\nDROP INDEX big_s;`,
    isKilled: false,
  },
  {
    title: "reserve(): a sort",
    sql: `${OFF};\nBEGIN;\n${RESERVE};\nCREATE TEMP TABLE sorted AS ${SORT};\nCOMMIT;`,
    isKilled: false,
  },
];
const TRIGGERED: readonly Chapter[] = [
  { title: "event trigger: CREATE INDEX", sql: `${INDEX};`, isKilled: false },
  {
    title: "event trigger: a sort",
    sql: `CREATE MATERIALIZED VIEW sorted AS\n  ${SORT};`,
    isKilled: false,
  },
];

/** Resolves with what went wrong; empty when nothing did. */
export async function runPostgres(): Promise<string[]> {
  console.log(
    "selfscale demo: work that needs more memory than the VM has, said before it is done.",
  );
  console.log(
    "A VM of 512 MiB that may grow to 2.5 GiB, PostgreSQL 15 in it, and a table of 500 MB.",
  );
  const limits = Object.entries(WORK_MEM).map(([name, value]) => `${name} ${value}`);
  console.log(`Every session runs with ${limits.join(", ")}.`);
  console.log("Booting, and filling the table: a minute ...");
  const guest = await startGuest({ name: VM, monitorArgs: ["--preset", "demo"] });
  const truth = await Truth.open(guest.truthPath);
  const story = new PostgresStory(guest, truth);
  let agent: AgentProcess | null = null;
  try {
    await story.prepare();
    const outcomes: Outcome[] = [];
    console.log("\n== Without an agent");
    await story.preventThrashing(true);
    for (const chapter of FIXED) outcomes.push(await play(story, chapter));
    await story.preventThrashing(false);

    console.log(
      "\n== With selfscale: an agent on the node, the monitor in the VM watches PostgreSQL",
    );
    agent = await AgentProcess.start({
      node: NODE,
      vms: [{ ...entryFor(guest), bounds: DEMO_BOUNDS }],
    });
    await story.watch();
    await until(
      "the monitor decides",
      async () => (await agent?.vm(VM))?.mode === "compute-controlled",
    );
    await story.untilSmall();
    for (const chapters of [RESERVING, TRIGGERED]) {
      for (const chapter of chapters) outcomes.push(await play(story, chapter));
      await shrink(story);
    }
    await show(story, "SELECT at, resource, before, after, reason FROM selfscale.decisions");
    await show(story, "SELECT selfscale.explain()");
    for (const line of tableLines(outcomes)) console.log(line);
    return problemsOf(outcomes);
  } finally {
    truth.close();
    await agent?.stop();
    await guest.kill();
  }
}

async function play(story: PostgresStory, { title, sql }: Chapter): Promise<Outcome> {
  console.log(`\n-- ${title}`);
  for (const line of sql.split("\n")) console.log(`postgres=# ${line}`);
  const before = await story.life();
  const startedAt = performance.now();
  let [isDone, mostMiB] = [true, 512];
  try {
    const { rows, mostBytes } = await story.tell(sql, (bytes) => {
      console.log(`${since(startedAt)}  the VM has ${bytes / MIB} MiB`);
    });
    mostMiB = mostBytes / MIB;
    for (const row of rows) {
      for (const [name, value] of Object.entries(row))
        console.log(`          ${name}: ${value ?? "null"}`);
    }
  } catch (error) {
    if (!(error instanceof GuestSqlError)) throw error;
    isDone = false;
    console.log(`${since(startedAt)}  ${error.message.split("\n")[0] ?? ""}`);
    await story.postgres.untilAnswers();
  }
  const tookMs = performance.now() - startedAt;
  console.log(
    `${since(startedAt)}  ${isDone ? "done" : "PostgreSQL answers again, without the sessions that it had"}`,
  );
  const after = await story.life();
  const isRestarted = after.checkpointer !== before.checkpointer;
  const kills = after.oomKills - before.oomKills;
  return { title, isDone, tookMs, mostMiB, kills, isRestarted };
}

async function shrink(story: PostgresStory): Promise<void> {
  console.log("\n-- nothing runs any more");
  const startedAt = performance.now();
  const bytes = await story.untilSmall();
  console.log(`${since(startedAt)}  the VM has ${bytes / MIB} MiB`);
}

async function show(story: PostgresStory, sql: string): Promise<void> {
  console.log(`\npostgres=# ${sql};`);
  for (const row of await story.postgres.query(sql)) {
    console.log(`  ${Object.values(row).join(" | ")}`);
  }
}

function since(startedAt: number): string {
  return `${((performance.now() - startedAt) / 1000).toFixed(1).padStart(6)} s`;
}

function tableLines(outcomes: readonly Outcome[]): string[] {
  return [
    "",
    `${"what".padEnd(32)} ${"done".padEnd(6)} ${"took".padStart(6)}  ${"largest size".padStart(12)}  OOM kills  sessions`,
    ...outcomes.map(
      ({ title, isDone, tookMs, mostMiB, kills, isRestarted }) =>
        `${title.padEnd(32)} ${(isDone ? "yes" : "no").padEnd(6)} ${(tookMs / 1000).toFixed(0).padStart(4)} s  ` +
        `${String(mostMiB).padStart(8)} MiB  ${String(kills).padStart(9)}  ${isRestarted ? "all lost" : "all kept"}`,
    ),
    "",
  ];
}

function problemsOf(outcomes: readonly Outcome[]): string[] {
  const all = [...FIXED, ...RESERVING, ...TRIGGERED];
  return outcomes.flatMap(({ title, isDone, kills, isRestarted, mostMiB }, index) => {
    if (all[index]?.isKilled === true) return isDone ? [`${title}: it was done`] : [];
    return [
      ...(isDone ? [] : [`${title}: it failed`]),
      ...(kills > 0 ? [`${title}: ${kills} process(es) were killed`] : []),
      ...(isRestarted ? [`${title}: PostgreSQL lost its sessions`] : []),
      ...(mostMiB < 1024 ? [`${title}: it grew to ${mostMiB} MiB only`] : []),
    ];
  });
}
