// What the door asks PostgreSQL.
import { type PostgresClient } from "../client.ts";
import { type Row } from "../connection.ts";
import { LOCK_CLASS, SCHEMA_COMMENT, SCHEMA_VERSION } from "../sql/version.ts";
import { type HeldLock } from "./table.ts";

/** What a server is, as far as the door must know. */
export type ServerFacts = Readonly<{
  port: number;
  /** null: our role may not see it. */
  dataFolder: string | null;
  version: number;
  isStandby: boolean;
}>;

const FACTS = `SELECT current_setting('port')::int AS port,
  (SELECT setting FROM pg_settings WHERE name = 'data_directory') AS folder,
  current_setting('server_version_num')::int AS version, pg_is_in_recovery() AS standby`;

const COMMENT = `SELECT ${SCHEMA_COMMENT} AS comment`;

/** Locks are shown for all databases, and to everybody, and so is whose session it is. */
const LOCKS = `SELECT l.objid::int8::int AS nonce, l.pid, a.usesysid::int8 AS login
  FROM pg_locks l JOIN pg_stat_activity a USING (pid)
  WHERE l.locktype = 'advisory' AND l.classid::int8 IN (${LOCK_CLASS}, ${LOCK_CLASS + 1})
    AND l.objsubid = 2 AND l.objid::int8 = ANY ($1::int8[]) AND l.granted`;

export async function readFacts(client: PostgresClient): Promise<ServerFacts | null> {
  const row = await only(client, FACTS);
  if (row === null) return null;
  return {
    port: Number(row["port"]),
    dataFolder: typeof row["folder"] === "string" ? row["folder"] : null,
    version: Number(row["version"]),
    isStandby: row["standby"] === true,
  };
}

/** What is wrong with the schema in our database, in one sentence; null when nothing is. undefined: not known now. */
export async function schemaProblem(
  client: PostgresClient,
  folder: string,
): Promise<string | null | undefined> {
  const row = await only(client, COMMENT);
  if (row === null) return undefined;
  const { comment } = row;
  if (typeof comment !== "string") return 'there is no schema "selfscale": run `sql install`';
  const version = Number(/^selfscale schema, version (\d+)$/.exec(comment)?.[1]);
  if (version > SCHEMA_VERSION) {
    return `the schema "selfscale" says "${comment}": a newer selfscale-monitor made it, use that one`;
  }
  if (version !== SCHEMA_VERSION) {
    return `the schema "selfscale" is not of version ${SCHEMA_VERSION}, but says "${comment}": run \`sql upgrade\``;
  }
  const asked = await client.query("SELECT selfscale._root() AS root");
  if (!asked.ok) {
    const advice = `(${asked.message}): run \`sql install\``;
    return isRefusal(asked.code)
      ? `our role can't use the schema "selfscale" ${advice}`
      : undefined;
  }
  const root = asked.rows[0]?.["root"];
  if (root === folder) return null;
  return `the schema "selfscale" writes to ${String(root)}, postgres.folder is ${folder}: run \`sql install\` with this folder`;
}

/** Which of these numbers some session holds a lock for; null when nobody can say now. `refused` is told why, if PostgreSQL says so. */
export async function readLocks(
  client: PostgresClient,
  nonces: readonly number[],
  refused: (problem: string) => void,
): Promise<readonly HeldLock[] | null> {
  const outcome = await client.query(LOCKS, [nonces]);
  if (!outcome.ok) {
    if (isRefusal(outcome.code)) refused(outcome.message);
    return null;
  }
  return outcome.rows.map((row) => ({
    nonce: Number(row["nonce"]),
    pid: Number(row["pid"]),
    loginId: Number(row["login"]),
  }));
}

/** An SQLSTATE: PostgreSQL answered, and the answer is no. Of a connection that is lost the client tells. */
function isRefusal(code: string): boolean {
  return /^\d[\dA-Z]{4}$/.test(code);
}

async function only(client: PostgresClient, text: string): Promise<Row | null> {
  const outcome = await client.query(text);
  return outcome.ok ? (outcome.rows[0] ?? null) : null;
}
