// What the door asks PostgreSQL.
import { type PostgresClient } from "../client.ts";
import { type Row } from "../connection.ts";
import { LOCK_CLASS, SCHEMA_VERSION } from "../sql/version.ts";
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

const COMMENT = `SELECT obj_description(to_regnamespace('selfscale')::oid, 'pg_namespace') AS comment`;

/** Locks are shown for all databases, and to everybody; whose session it is, only pg_monitor sees. */
const LOCKS = `SELECT l.objid::int8::int AS nonce, l.pid, a.usename AS role
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
  if (version !== SCHEMA_VERSION) {
    return `the schema "selfscale" is not of version ${SCHEMA_VERSION}, but says "${comment}": run \`sql upgrade\``;
  }
  const root = await only(client, "SELECT selfscale._root() AS root");
  if (root === null) return undefined;
  if (root["root"] === folder) return null;
  return `the schema "selfscale" writes to ${String(root["root"])}, postgres.folder is ${folder}: run \`sql install\` with this folder`;
}

/** Which of these numbers some session holds a lock for; null when nobody can say now. */
export async function readLocks(
  client: PostgresClient,
  nonces: readonly number[],
): Promise<readonly HeldLock[] | null> {
  const outcome = await client.query(LOCKS, [nonces]);
  if (!outcome.ok) return null;
  return outcome.rows.map((row) => ({
    nonce: Number(row["nonce"]),
    pid: Number(row["pid"]),
    role: typeof row["role"] === "string" ? row["role"] : null,
  }));
}

async function only(client: PostgresClient, text: string): Promise<Row | null> {
  const outcome = await client.query(text);
  return outcome.ok ? (outcome.rows[0] ?? null) : null;
}
