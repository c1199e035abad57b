// The arguments of `selfscale-monitor sql`.
import { readArguments } from "../../arguments.ts";

export const SQL_VERBS = ["install", "upgrade", "remove", "status"] as const;
export type SqlVerb = (typeof SQL_VERBS)[number];

/** What is given stands above the configuration file's `postgres:`; the rest is undefined. */
export type SqlOptions = Readonly<{
  verb: SqlVerb;
  /** Only show the script. */
  isPrint: boolean;
  configFile: string | null;
  given: Readonly<
    Partial<{
      host: string;
      port: string;
      user: string;
      passwordFile: string;
      database: string;
      folder: string;
    }>
  >;
}>;

export const SQL_HELP = `selfscale-monitor sql: the functions by which SQL sessions reserve memory and CPUs.

Usage:
  selfscale-monitor sql install        into one database; again: puts it right
  selfscale-monitor sql upgrade        what an older release installed
  selfscale-monitor sql remove         everything that install made
  selfscale-monitor sql status         what is there

Options:
  --print                only show the script: selfscale-monitor sql install --print | psql
  --config FILE          the monitor's: its postgres group says where PostgreSQL is
  --host FOLDER|HOST     folder of the unix socket, or a host    [/var/run/postgresql]
  --port PORT                                                    [5432]
  --user ROLE            a superuser                             [postgres]
  --password-file FILE   with the password of that role
  --database NAME        each database has functions of its own  [postgres]
  --folder FOLDER        where functions and monitor meet        [/run/selfscale-postgres]
`;

const OPTIONS = {
  print: { type: "boolean" },
  config: { type: "string" },
  host: { type: "string" },
  port: { type: "string" },
  user: { type: "string" },
  "password-file": { type: "string" },
  database: { type: "string" },
  folder: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

type Read =
  | Readonly<{ kind: "sql"; options: SqlOptions }>
  | Readonly<{ kind: "print"; text: string }>
  | Readonly<{ kind: "mistake"; problem: string }>;

/** `args` without the word sql. Never throws. */
export function readSql(args: readonly string[]): Read {
  const parsed = readArguments(args, OPTIONS);
  if ("problem" in parsed) return mistake(parsed.problem);
  const { values, positionals } = parsed;
  if (values.help) return { kind: "print", text: SQL_HELP };
  const [word, ...rest] = positionals;
  if (rest[0] !== undefined) return mistake(`unexpected argument ${JSON.stringify(rest[0])}`);
  const verb = SQL_VERBS.find((one) => one === word);
  const given = word === undefined ? "nothing" : JSON.stringify(word);
  if (verb === undefined) return mistake(`sql ${given}: expected one of ${SQL_VERBS.join(", ")}`);
  if (verb === "status" && values.print) return mistake("--print: status has no script");
  const { print: isPrint = false, config: configFile = null } = values;
  const { host, port, user, database, folder, "password-file": passwordFile } = values;
  const texts = { host, port, user, passwordFile, database, folder };
  const said = Object.fromEntries(Object.entries(texts).filter(([, text]) => text !== undefined));
  return { kind: "sql", options: { verb, isPrint, configFile, given: said } };
}

function mistake(problem: string): Read {
  return { kind: "mistake", problem: `${problem} (see selfscale-monitor sql --help)` };
}
