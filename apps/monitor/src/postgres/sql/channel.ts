// How the functions and the monitor reach each other: files that only PostgreSQL's owner and the monitor can touch. Both sides of it work in
// any transaction, at any isolation level, and on a standby, for nothing in the database is written or read.
import { DEFINER } from "./pinned.ts";
import { LOCK_CLASS, SCHEMA_VERSION } from "./version.ts";

/** Without a word of the monitor for so long, it is gone. Seconds; it writes once a second. */
const MUTE_SEC = 5;

/** `folder` holds letters, digits, dots, dashes and slashes only: the configuration takes nothing else. */
export function root(folder: string): string {
  return String.raw`
CREATE OR REPLACE FUNCTION selfscale._root() RETURNS text LANGUAGE sql IMMUTABLE
  RETURN '${folder}'::text;
`;
}

export const CHANNEL = String.raw`
-- A folder for each server on this machine: none of its users can change a server's port.
CREATE OR REPLACE FUNCTION selfscale._folder() RETURNS text LANGUAGE sql STABLE ${DEFINER} AS $$
  SELECT selfscale._root() || '/' || current_setting('port')
$$;

-- Beyond ASCII the monitor writes escapes, for databases have encodings of their own. One that may lack a character shows another in
-- its place: a reason that somebody gave in one database must not make the functions of another fail.
CREATE OR REPLACE FUNCTION selfscale._json(file text) RETURNS jsonb LANGUAGE sql IMMUTABLE ${DEFINER} AS $$
  SELECT CASE WHEN getdatabaseencoding() = 'UTF8' THEN file
    ELSE regexp_replace(file, '(?<![\\])((?:[\\][\\])*)[\\]u[0-9a-f]{4}', '\1?', 'g') END::jsonb
$$;

-- What the monitor wrote last; NULL when it stopped, or never was there.
CREATE OR REPLACE FUNCTION selfscale._state() RETURNS jsonb LANGUAGE sql VOLATILE ${DEFINER} AS $$
  SELECT selfscale._json(pg_read_file(selfscale._folder() || '/state.json', 0, 1048576, true))
$$;

-- What the monitor answered to one request; NULL when nothing yet.
CREATE OR REPLACE FUNCTION selfscale._answer(nonce integer) RETURNS jsonb LANGUAGE sql VOLATILE ${DEFINER} AS $$
  SELECT selfscale._json(pg_read_file(selfscale._folder() || '/answer-' || nonce || '.json', 0, 65536, true))
$$;

CREATE OR REPLACE FUNCTION selfscale._is_fresh(state jsonb) RETURNS boolean LANGUAGE sql VOLATILE ${DEFINER} AS $$
  SELECT coalesce(abs(extract(epoch FROM clock_timestamp()) * 1000 - (state ->> 'writtenAtMs')::numeric)
    < ${MUTE_SEC} * 1000, false)
$$;

-- The state of a monitor that lives and understands us; an error otherwise.
CREATE OR REPLACE FUNCTION selfscale._living() RETURNS jsonb LANGUAGE plpgsql VOLATILE ${DEFINER} AS $$
DECLARE
  state jsonb := selfscale._state();
BEGIN
  IF state IS NOT NULL AND NOT selfscale._is_fresh(state) THEN
    -- The clock may have been set: then the next word of the monitor, which comes every second, is fresh.
    PERFORM pg_sleep(1.2);
    state := selfscale._state();
  END IF;
  IF state IS NULL OR NOT selfscale._is_fresh(state) THEN
    RAISE EXCEPTION 'no selfscale monitor serves this server' USING ERRCODE = '55000',
      DETAIL = CASE WHEN state IS NULL THEN 'None is connected.' ELSE format('The last word of one is of %s.',
        to_timestamp((state ->> 'writtenAtMs')::numeric / 1000)) END,
      HINT = 'Does it run, and can it connect? Its log says so; or: selfscale-monitor status';
  END IF;
  IF (state ->> 'schema')::integer <> ${SCHEMA_VERSION} THEN
    RAISE EXCEPTION 'the schema "selfscale" is version ${SCHEMA_VERSION}, the monitor speaks version %', state ->> 'schema'
      USING ERRCODE = '0A000', HINT = 'Run, with the monitor that is to be used: selfscale-monitor sql upgrade';
  END IF;
  RETURN state;
END
$$;

-- Rings: leaves a message. JSON has no control characters, so that CSV with these marks leaves it as it is.
CREATE OR REPLACE FUNCTION selfscale._ring(kind text, message jsonb) RETURNS void LANGUAGE plpgsql VOLATILE ${DEFINER} AS $$
BEGIN
  EXECUTE format('COPY (SELECT %L::text) TO %L WITH (FORMAT csv, QUOTE E''\x01'', DELIMITER E''\x02'', ENCODING ''UTF8'')',
    message || jsonb_build_object('atMs', floor(extract(epoch FROM clock_timestamp()) * 1000)), selfscale._folder() || '/bell/' || kind || '-' || selfscale._nonce() || '.json');
END
$$;

-- A number that nobody can guess, above 0.
CREATE OR REPLACE FUNCTION selfscale._nonce() RETURNS integer LANGUAGE sql VOLATILE ${DEFINER} AS $$
  SELECT (('x' || left(md5(gen_random_uuid()::text), 8))::bit(32)::integer & 2147483647) | 1
$$;

-- Numbers that this session holds one of our locks for, of one kind. That alone says nothing: anybody may take any lock, and pg_locks
-- shows everybody the numbers of others.
CREATE OR REPLACE FUNCTION selfscale._locked(class bigint) RETURNS SETOF integer LANGUAGE sql VOLATILE ${DEFINER} AS $$
  SELECT DISTINCT objid::bigint::integer FROM pg_locks
  WHERE locktype = 'advisory' AND classid::bigint = class AND objsubid = 2
    AND objid::bigint BETWEEN 1 AND 2147483647 AND pid = pg_backend_pid() AND granted
$$;

-- Numbers of the reservations of this session that a lock of it stands for, by the monitor's last word.
CREATE OR REPLACE FUNCTION selfscale._mine() RETURNS SETOF integer LANGUAGE sql VOLATILE ${DEFINER} AS $$
  SELECT (one ->> 'nonce')::integer FROM jsonb_array_elements(selfscale._state() -> 'reservations') AS one
  WHERE (one ->> 'pid')::integer = pg_backend_pid() AND one ->> 'owner' = session_user
    AND ((one ->> 'nonce')::integer IN (SELECT selfscale._locked(${LOCK_CLASS}))
      OR (one ->> 'nonce')::integer IN (SELECT selfscale._locked(${LOCK_CLASS + 1})))
$$;
`;
