// The `postgres:` group of the monitor's configuration.
import * as z from "zod";

const SOCKET_FOLDER = "/var/run/postgresql";
const PORT = 5_432;
const QUERY_TIMEOUT = { min: 100, max: 60_000, default: 2_000 };
/** Where the SQL functions ring and the monitor answers: in memory, not on a disk, and not under the status socket's folder, which is closed to others. */
export const DEFAULT_DOOR_FOLDER = "/run/selfscale-postgres";

const path = (what: string) => {
  const error = `expected ${what}`;
  return z.string({ error }).min(1, { error });
};
const absolute = (what: string) => {
  const error = `expected the absolute path of ${what}`;
  // Quotes and backslashes would have to survive SQL, shell and file names: no folder needs them.
  return z.string({ error }).regex(/^\/[A-Za-z0-9_./-]{1,200}$/, { error });
};

function whole(what: string, { min, max }: Readonly<{ min: number; max: number }>) {
  const error = `expected ${what} from ${min} to ${max}`;
  return z.int({ error }).min(min, { error }).max(max, { error });
}

/**
 * How the monitor reaches PostgreSQL. Unknown keys are errors; without the group there is no PostgreSQL.
 */
export function createPostgresSchema() {
  return z
    .strictObject(
      {
        /** A folder with a unix socket (it begins with a slash), or the name or address of a host. */
        host: path("a folder of a unix socket, or a host").default(SOCKET_FOLDER),
        /** Where it listens; of a unix socket the number in its name. */
        port: whole("a port, a whole number", { min: 1, max: 65_535 }).default(PORT),
        /** A role that is a member of pg_monitor; `sql install` makes it. */
        user: path("a role").default("selfscale_monitor"),
        /** File with the role's password, read anew at each connection. null: none is needed (peer, trust). */
        passwordFile: path("a path").nullable().default(null),
        /** The database with the schema `selfscale`. */
        database: path("a database").default("postgres"),
        /** A query that took so long is cancelled; one that can't be cancelled costs the connection. */
        queryTimeoutMs: whole("a whole number of milliseconds", QUERY_TIMEOUT).default(
          QUERY_TIMEOUT.default,
        ),
        /** Folder that the SQL functions write requests to and read answers from; the same as `sql install` was told. */
        folder: absolute("a folder").default(DEFAULT_DOOR_FOLDER),
      },
      {
        error: (issue) => (issue.code === "invalid_type" ? "expected keys and values" : undefined),
      },
    )
    .nullable()
    .default(null);
}

export type PostgresSettings = Readonly<
  NonNullable<z.output<ReturnType<typeof createPostgresSchema>>>
>;
