// The steps of docs/postgres.md, in the order of the page: each is what a DBA types, and gives what is on the screen then.
import { until } from "../harness/until.ts";
import { type Stage } from "./stage.ts";

export type Step = Readonly<{
  name: string;
  take: (stage: Stage) => Promise<string>;
  /** It shows a growth: what came before must have been given back. */
  isFromSmall?: true;
}>;

const SETTINGS = `preset: demo # short holds, so that this page need not wait: not for use
postgres:
  database: shop
`;
const asApp = (sql: string, flags = "") => `psql -U app shop ${flags}-c "${sql}"`;
const asSuperuser = "runuser -u postgres --";

/** A plain step: these commands, one after the other. */
const typed = (name: string, ...commands: readonly string[]): Step => ({
  name,
  take: async ({ terminal }) => await terminal.guest(...commands),
});

/** One command runs; once `isUnderWay` says so, others are typed elsewhere; then its own end is seen. */
async function meanwhile(
  { terminal }: Stage,
  command: string,
  isUnderWay: () => Promise<boolean>,
  others: () => Promise<string>,
): Promise<string> {
  const first = terminal.guest(command);
  first.catch(() => undefined); // looked at below, whatever happens between
  await until("it is under way", isUnderWay, { withinMs: 60_000 });
  const seen = await others();
  return `${await first}\n\n(from another terminal, meanwhile)\n${seen}`;
}

/** A sort that nobody announced, and who is known to be about to take memory. */
const SORT =
  "SELECT count(*) FROM (SELECT * FROM orders ORDER BY id % 1000, customer OFFSET 0) AS sorted";
const SEEN = "SELECT door, owner, reason, memory, state FROM selfscale.reservations";

/** The sort has run for long enough to have been looked at more than once. */
const runs =
  ({ terminal }: Stage) =>
  async () => {
    const seen = await terminal.quietly(
      `${asSuperuser} psql -At shop -c "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%OFFSET 0%' AND leader_pid IS NULL AND usename = 'app' AND now() - query_start > '3 s' AND state = 'active'"`,
    );
    return seen.trim() === "1";
  };

const waits = (stage: Stage, state: string) => async () =>
  (
    await stage.terminal.quietly(asApp("SELECT state FROM selfscale.reservations", "-At "))
  ).includes(state);

export const STEPS: readonly Step[] = [
  {
    name: "install-monitor",
    take: async (stage) => {
      const { terminal } = stage;
      await terminal.quietly(`printf '%s' '${SETTINGS}' >/etc/selfscale/monitor.yaml`);
      const shown = await terminal.guest(
        "cat /etc/selfscale/monitor.yaml",
        `echo 'ARGS="--config /etc/selfscale/monitor.yaml"' >/etc/default/selfscale-monitor`,
        "sh selfscale-monitor-install.sh --postgres",
        "selfscale-monitor check-config /etc/selfscale/monitor.yaml",
      );
      await until("the agent is connected", async () => await stage.isConnected());
      return shown;
    },
  },
  typed(
    "install-sql",
    `${asSuperuser} selfscale-monitor sql status --database shop; echo "exit code $?"`,
    `${asSuperuser} selfscale-monitor sql install --database shop`,
    `${asSuperuser} psql shop -c 'GRANT selfscale_user TO app'`,
    "sleep 2",
    `${asSuperuser} selfscale-monitor sql status --database shop`,
  ),
  typed("log", "grep SQL /var/log/selfscale-monitor.log"),
  {
    ...typed(
      "reserve",
      asApp(
        "SELECT * FROM selfscale.reserve('700MB', reason => 'index on orders', hold => '10 min')",
        "-x ",
      ),
    ),
    isFromSmall: true,
  },
  typed(
    "look",
    asApp("SELECT * FROM selfscale.size"),
    asApp("SELECT * FROM selfscale.reservations", "-x "),
    asApp("SELECT * FROM selfscale.decisions"),
  ),
  typed(
    "release",
    asApp("SELECT selfscale.release(id) FROM selfscale.reservations"),
    asApp("SELECT selfscale.explain()", "-At "),
  ),
  {
    name: "transaction",
    take: async ({ terminal }) => {
      const statements = [
        "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY;",
        "SELECT granted, why FROM selfscale.reserve('200MB', scope => 'transaction');",
        "SELECT owner, state, scope, memory FROM selfscale.reservations;",
        "COMMIT;",
        "SELECT pg_sleep(1);",
        "SELECT count(*) FROM selfscale.reservations;",
      ];
      await terminal.quietly(`cat >/srv/report.sql <<'END'\n${statements.join("\n")}\nEND`);
      return await terminal.guest("psql -X -U app shop -a -f report.sql");
    },
  },
  {
    name: "create-index",
    isFromSmall: true,
    take: async (stage) =>
      await meanwhile(
        stage,
        `PGOPTIONS='-c maintenance_work_mem=600MB' ${asApp("CREATE INDEX orders_customer ON orders (customer)")}`,
        waits(stage, "granted"),
        async () =>
          await stage.terminal.guest(
            asApp(
              "SELECT door, owner, state, memory, reason, scope, why FROM selfscale.reservations",
              "-x ",
            ),
            asApp("SELECT rung, cpu, memory, note FROM selfscale.size"),
          ),
      ),
  },
  {
    name: "set-work-mem",
    take: async (stage) =>
      await meanwhile(
        stage,
        `psql -U app shop -At -c "SET work_mem = '300MB'" -c "${SORT}"`,
        runs(stage),
        async () => await stage.terminal.guest(asApp(SEEN)),
      ),
  },
  {
    name: "role-work-mem",
    take: async (stage) => {
      const { terminal } = stage;
      const set = await terminal.guest(asApp("ALTER ROLE app SET work_mem = '300MB'"));
      // The monitor reads settings every ten seconds.
      await terminal.quietly("sleep 11");
      const seen = await meanwhile(stage, asApp(SORT, "-At "), runs(stage), async () => {
        return await terminal.guest(asApp(SEEN));
      });
      return `${set}\n${seen}\n${await terminal.guest(asApp("ALTER ROLE app RESET work_mem"))}`;
    },
  },
  typed(
    "create-index-log",
    String.raw`grep 'CREATE INDEX' /var/log/selfscale-monitor.log | sed -E 's/.*"time":"[^T]*T([^"]*)".*"msg":(.*)}/\1 \2/'`,
  ),
  typed(
    "switches",
    `${asSuperuser} psql shop -c "ALTER DATABASE shop SET selfscale.anticipate_wait = '2 s'" -c "ALTER ROLE app IN DATABASE shop SET selfscale.anticipate = off"`,
    `psql -U app shop -c "SHOW selfscale.anticipate" -c "SET selfscale.anticipate = on" -c "SHOW selfscale.anticipate_wait"`,
    `${asSuperuser} psql shop -c "ALTER DATABASE shop RESET ALL" -c "ALTER ROLE app IN DATABASE shop RESET ALL"`,
    asApp("ALTER ROLE app SET selfscale.anticipate = off"),
    `${asSuperuser} psql shop -c "GRANT SET ON PARAMETER selfscale.anticipate TO app"`,
    asApp("ALTER ROLE app SET selfscale.anticipate = on"),
  ),
  typed(
    "command",
    `selfscale-monitor reserve --memory 300Mi --reason 'reindex orders' -- psql -U app shop -c 'REINDEX TABLE orders'; echo "exit code $?"`,
    `selfscale-monitor reserve --memory 9Gi -- psql -U app shop -c 'REINDEX TABLE orders'; echo "exit code $?"`,
  ),
  typed(
    "bounds",
    asApp("SELECT selfscale.reserve('4GB')", "-v VERBOSITY=verbose -c '\\timing on' "),
  ),
  {
    name: "node-full",
    take: async (stage) =>
      await meanwhile(
        stage,
        asApp("SELECT selfscale.reserve('1500MB', wait => '8 s', reason => 'nightly report')"),
        async () =>
          (await stage.terminal.quietly(asApp("SELECT selfscale.explain()", "-At "))).includes(
            "node is full",
          ),
        async () => {
          const first = await stage.terminal.guest(
            asApp("SELECT selfscale.explain()", "-At "),
            "selfscale-monitor status | head -7",
          );
          return [first, await stage.agent("status"), await stage.agent("explain shop")].join("\n");
        },
      ),
  },
  typed(
    "proceed",
    asApp(
      "SELECT * FROM selfscale.reserve('1500MB', wait => '2 s', if_refused => 'proceed', scope => 'transaction')",
      "-x ",
    ),
  ),
  typed(
    "mistakes",
    asApp("SELECT selfscale.reserve('12 bananas')"),
    asApp("SELECT selfscale.reserve('-1GB')"),
    asApp("SELECT selfscale.reserve(NULL)"),
    "runuser -u postgres -- psql shop -c 'CREATE ROLE guest LOGIN' -c 'SET ROLE guest' -c 'SELECT selfscale.explain()'",
  ),
  {
    name: "killed",
    take: async (stage) => {
      const shown = await stage.terminal.guest(
        asApp(
          "SELECT id FROM selfscale.reserve('100MB', hold => '10 min', reason => 'import')",
          "-At ",
        ),
        "kill -KILL $(pgrep -f '[s]elfscale-monitor.cjs'); sleep 1",
        asApp("SELECT selfscale.reserve('100MB')"),
      );
      await until("the agent is connected", async () => await stage.isConnected());
      return `${shown}\n${await stage.terminal.guest(
        asApp("SELECT owner, reason, state, memory, why FROM selfscale.reservations"),
        asApp("SELECT selfscale.release(id) FROM selfscale.reservations"),
      )}`;
    },
  },
  typed(
    "stopped",
    "kill $(cat /run/selfscale/supervise.pid); sleep 8",
    asApp("SELECT selfscale.reserve('100MB')"),
    asApp("SELECT selfscale.explain()", "-At "),
    asApp("CREATE INDEX orders_placed ON orders (placed)"),
  ),
  typed(
    "remove",
    `${asSuperuser} selfscale-monitor sql remove --database shop`,
    `${asSuperuser} selfscale-monitor sql status --database shop; echo "exit code $?"`,
    "sh selfscale-monitor-install.sh --uninstall --purge",
    "find / -xdev -name '*selfscale*' -not -path '/opt/*' -not -path '/srv/*'; find /run -name '*selfscale*'",
  ),
];
