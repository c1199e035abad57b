// `selfscale-monitor sql`: runs or prints the scripts, and says what is there.
import { ConfigError } from "../../config/problem.ts";
import { loadConfig } from "../../config/load.ts";
import { type ConnectionSettings, PostgresConnection } from "../connection.ts";
import { createPostgresSchema, type PostgresSettings } from "../settings.ts";
import { installScript, removeScript, upgradeScript } from "../sql/script.ts";
import { SCHEMA_COMMENT, SCHEMA_VERSION } from "../sql/version.ts";
import { type SqlOptions, type SqlVerb } from "./command.ts";

/** Installing and asking are done by people, who wait no longer than this. */
const TIMING = { deadlineMs: 10_000, statementTimeoutMs: 30_000 };
const SUPERUSER = "postgres";
const GOODBYE_MS = 1_000;

/** PostgreSQL said no: its SQLSTATE, sentence and hint, on one line. */
export class SqlCommandError extends Error {
  override readonly name = "SqlCommandError";
  readonly code = "SQL_COMMAND";
}

/** Gives the exit code. Throws ConfigError for bad settings, SqlCommandError when PostgreSQL refuses or is not there. */
export async function runSql(options: SqlOptions, say: (line: string) => void): Promise<number> {
  const settings = await settingsOf(options);
  const { verb } = options;
  if (options.isPrint) {
    say(scriptOf(verb, settings.folder));
    return 0;
  }
  const connection = await open(settings);
  try {
    if (verb === "status") return await status(connection, settings, say);
    await connection.runScript(scriptOf(verb, settings.folder));
    const is = `version ${SCHEMA_VERSION} in database "${settings.database}", with files in ${settings.folder}`;
    say(verb === "remove" ? `removed from database "${settings.database}"` : `installed: ${is}`);
    if (verb === "install") say(NEXT);
    return 0;
  } catch (error) {
    throw described(error);
  } finally {
    await connection.close(GOODBYE_MS);
  }
}

const NEXT = "now let roles call it: GRANT selfscale_user TO …";

function scriptOf(verb: SqlVerb, folder: string): string {
  if (verb === "remove") return removeScript();
  return verb === "upgrade" ? upgradeScript(folder) : installScript(folder);
}

async function settingsOf({ configFile, given }: SqlOptions): Promise<PostgresSettings> {
  const config = configFile === null ? null : await loadConfig(configFile, {});
  // The monitor's own role is no superuser, and its password is not theirs.
  const { user = SUPERUSER, passwordFile = null, port, ...rest } = given;
  const fromFile = { ...(config?.postgres ?? {}), user, passwordFile };
  const all = { ...fromFile, ...rest, ...(port !== undefined && { port: Number(port) }) };
  const parsed = createPostgresSchema().safeParse(all);
  if (parsed.success && parsed.data !== null) return parsed.data;
  const issue = parsed.error?.issues[0];
  const key = String(issue?.path[0]);
  const option = key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  const value = JSON.stringify((given as Record<string, unknown>)[key]);
  throw new ConfigError(`--${option}: ${value} is not accepted: ${issue?.message ?? "invalid"}`);
}

async function open(settings: ConnectionSettings): Promise<PostgresConnection> {
  try {
    return await PostgresConnection.open(settings, TIMING);
  } catch (error) {
    const isPeer = (error as Error).message.startsWith("Peer authentication failed");
    const hint = isPeer ? `. Run it as that user: sudo -u ${settings.user} …` : "";
    throw described(error, hint);
  }
}

function described(error: unknown, more = ""): SqlCommandError {
  const { message, code, hint } = error as Error & { code?: string; hint?: string };
  const state = code === undefined ? "" : ` (${code})`;
  const advice = hint === undefined ? "" : `. ${hint}`;
  return new SqlCommandError(`PostgreSQL: ${message}${state}${advice}${more}`, { cause: error });
}

const STATUS = `SELECT current_setting('server_version') AS server, pg_is_in_recovery() AS standby,
  ${SCHEMA_COMMENT} AS comment,
  (SELECT prosqlbody IS NOT NULL FROM pg_proc WHERE pronamespace = to_regnamespace('selfscale') AND proname = '_root') AS root,
  (SELECT string_agg(m.rolname, ', ' ORDER BY m.rolname) FROM pg_auth_members JOIN pg_roles m ON m.oid = member
    WHERE roleid = to_regrole('selfscale_user')) AS users,
  (SELECT count(*)::int FROM pg_stat_activity WHERE application_name = 'selfscale-monitor' AND pid <> pg_backend_pid()) AS monitors`;

/** 0: this version is installed; 1: it is not. */
async function status(
  connection: PostgresConnection,
  { database, folder }: PostgresSettings,
  say: (line: string) => void,
): Promise<number> {
  const row = (await connection.run(STATUS, []))[0] ?? {};
  const comment = row["comment"];
  const version = Number(/version (\d+)$/.exec(typeof comment === "string" ? comment : "")?.[1]);
  const isOurs = version === SCHEMA_VERSION;
  const is = typeof comment !== "string" ? "not installed" : `installed, version ${version}`;
  const role = row["standby"] === true ? "standby" : "primary";
  say(`server    PostgreSQL ${String(row["server"])}, ${role}`);
  say(`schema    ${is} in database "${database}"; this is version ${SCHEMA_VERSION}`);
  if (isOurs && row["root"] === true) {
    const root = String(
      (await connection.run("SELECT selfscale._root() AS root", []))[0]?.["root"],
    );
    say(`folder    ${root}${root === folder ? "" : ` (here: ${folder})`}`);
  }
  say(
    `users     ${typeof row["users"] === "string" ? row["users"] : "none: GRANT selfscale_user TO …"}`,
  );
  say(`monitor   ${Number(row["monitors"]) > 0 ? "connected" : "not connected"}`);
  return isOurs ? 0 : 1;
}
