// Reserves by itself before a command that is known to take memory: an event trigger looks at the command, estimates, and waits
// for the memory as reserve() would. It never lets a command fail: without an answer it goes on. It only ever sees the command's
// text, so what is built by functions, or by several commands in one text, is estimated from the settings alone.
// REINDEX has event triggers since PostgreSQL 17, and CONCURRENTLY commits in between: the monitor sees those in the progress views.

import { DEFINER, PINNED } from "./pinned.ts";

/** Less is not worth a wait: the monitor's own reserve covers it. MiB. */
const LEAST_MIB = 32;
/** Sorts and hashes that the query of a materialized view fills at the same time. */
const PLAN_NODES = 3;
/** Of a command's text: long ones are dumps, with nothing more to learn. */
const MOST_CHARS = 10_000;

const IDENTIFIER = String.raw`(?:"(?:[^"]|"")+"|[[:alpha:]_][[:alnum:]_$]*)`;
const NAME = String.raw`(${IDENTIFIER}(?:\s*\.\s*${IDENTIFIER})*)`;
const TAGS = [
  ...["CREATE INDEX", "ALTER TABLE", "CREATE MATERIALIZED VIEW", "REFRESH MATERIALIZED VIEW"],
  ...["CREATE TABLE AS", "SELECT INTO"],
].map((tag) => `'${tag}'`);

/** Made by selfscale_owner, after reserve(). */
export const AHEAD = String.raw`
-- packages/core/src/policy/postgres/estimate.ts says the same, and why. NULL: not known.
CREATE OR REPLACE FUNCTION selfscale._index_bytes(maintenance_bytes bigint, workers integer, table_bytes bigint, table_rows double precision)
RETURNS bigint LANGUAGE sql IMMUTABLE ${PINNED} AS $$
  SELECT round((1.1 * least(maintenance_bytes, sorted) + 4194304 * (1 + CASE WHEN sorted < 33554432 THEN 0
    ELSE greatest(0, least(workers, maintenance_bytes / 33554432 - 1)) END))::numeric)::bigint
  FROM (SELECT coalesce(table_rows * 64 + table_bytes, table_bytes * 3) AS sorted) AS estimate
$$;

CREATE OR REPLACE FUNCTION selfscale._query_bytes(work_bytes bigint, hash_multiplier double precision, workers integer)
RETURNS bigint LANGUAGE sql IMMUTABLE ${PINNED} AS $$
  SELECT round((work_bytes * greatest(1, hash_multiplier) * (${PLAN_NODES} + workers))::numeric)::bigint
$$;

-- The table that a command names first, as it is written there; NULL when it names none, or more than one command is there.
CREATE OR REPLACE FUNCTION selfscale._table_in(tag text, command text) RETURNS text LANGUAGE sql IMMUTABLE ${PINNED} AS $$
  SELECT CASE
    WHEN (SELECT count(*) FROM regexp_matches(command, '\m(create\s+(unique\s+)?index|alter\s+table|reindex)\M', 'gi')) <> 1 THEN NULL
    WHEN tag = 'CREATE INDEX' THEN (regexp_match(command, '\mon\s+(?:only\s+)?${NAME}', 'i'))[1]
    WHEN tag = 'ALTER TABLE' THEN (regexp_match(command, '\mtable\s+(?:if\s+exists\s+)?(?:only\s+)?${NAME}', 'i'))[1]
    WHEN tag = 'REINDEX' THEN (regexp_match(command, '\m(?:table|index)\s+${NAME}', 'i'))[1]
  END
$$;

-- What is sorted for an index on it: of a partitioned table one part after the other, of an index its table.
CREATE OR REPLACE FUNCTION selfscale._table_size(relation regclass, OUT bytes bigint, OUT "rows" double precision)
LANGUAGE sql STABLE ${PINNED} AS $$
  SELECT pg_table_size(part.oid), nullif(part.reltuples, -1)
  FROM pg_class AS part
  WHERE part.oid = coalesce((SELECT indrelid FROM pg_index WHERE indexrelid = relation), relation)
    OR part.oid IN (SELECT relid FROM pg_partition_tree(relation) WHERE isleaf)
  ORDER BY 1 DESC LIMIT 1
$$;

CREATE OR REPLACE FUNCTION selfscale._ahead_bytes(tag text, command text, relation regclass) RETURNS bigint
LANGUAGE plpgsql STABLE ${PINNED} AS $$
DECLARE
  maintenance bigint := pg_size_bytes(current_setting('maintenance_work_mem'));
  workers integer := current_setting('max_parallel_maintenance_workers');
BEGIN
  CASE
    WHEN command ~* '\mconcurrently\M' OR tag = 'CREATE INDEX' AND command ~* '\musing\s+brin\M' THEN
      RETURN 0;
    -- Most of it changes only the catalog.
    WHEN tag = 'ALTER TABLE' AND (command !~* '\madd\M.*\m(primary\s+key|unique|exclude)\M'
      OR command ~* '\musing\s+index\s+(?!tablespace\M)') THEN
      RETURN 0;
    WHEN tag IN ('CREATE INDEX', 'ALTER TABLE', 'REINDEX') THEN
      RETURN (SELECT selfscale._index_bytes(maintenance, workers, size.bytes, size."rows")
        FROM (SELECT 1) AS one LEFT JOIN selfscale._table_size(relation) AS size ON true);
    WHEN command ~* '\mwith\s+no\s+data\M' THEN
      RETURN 0;
    ELSE
      RETURN selfscale._query_bytes(pg_size_bytes(current_setting('work_mem')), current_setting('hash_mem_multiplier')::double precision,
        current_setting('max_parallel_workers_per_gather')::integer);
  END CASE;
END
$$;

CREATE OR REPLACE FUNCTION selfscale._reserve_ahead(bytes bigint, wait interval, what text) RETURNS void
LANGUAGE plpgsql VOLATILE ${DEFINER} AS $$
BEGIN
  -- Nobody is there: reserve() would make sure of it, and the command would wait for nothing.
  IF NOT selfscale._is_fresh(selfscale._state()) THEN RETURN; END IF;
  PERFORM selfscale._reserve('anticipation', bytes::text, 0, wait, NULL, 'transaction', what, 'proceed');
END
$$;

CREATE OR REPLACE FUNCTION selfscale._ahead(tag text, command text, relation regclass) RETURNS void
LANGUAGE plpgsql VOLATILE ${PINNED} AS $$
DECLARE
  bytes bigint;
  wait interval;
  statement_most interval := current_setting('statement_timeout')::interval;
BEGIN
  IF NOT coalesce(nullif(current_setting('selfscale.anticipate', true), ''), 'on')::boolean THEN RETURN; END IF;
  bytes := selfscale._ahead_bytes(tag, command, relation);
  IF bytes < ${LEAST_MIB * 1024 * 1024} THEN RETURN; END IF;
  wait := coalesce(nullif(current_setting('selfscale.anticipate_wait', true), ''), '10 s')::interval;
  -- It shall not be our wait that the command fails for.
  IF statement_most > '0' THEN wait := least(wait, statement_most / 2); END IF;
  PERFORM selfscale._reserve_ahead(bytes, wait, tag);
END
$$;

-- It has the search path of whoever gives the command, for the names in it are theirs; so it calls nothing but functions by their
-- full names. Who was not granted selfscale_user reserves nothing.
CREATE OR REPLACE FUNCTION selfscale._anticipate() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM selfscale._ahead(TG_TAG, pg_catalog.left(pg_catalog.current_query(), ${MOST_CHARS}),
    pg_catalog.to_regclass(selfscale._table_in(TG_TAG, pg_catalog.left(pg_catalog.current_query(), ${MOST_CHARS}))));
EXCEPTION
  WHEN insufficient_privilege THEN
    NULL;
  WHEN OTHERS THEN
    RAISE LOG 'selfscale reserved nothing for %: %', TG_TAG, SQLERRM;
END
$$;
`;

/** Functions are nobody's but whom they are granted to; after REVOKE ALL … FROM PUBLIC. */
export const AHEAD_GRANTS = String.raw`
GRANT EXECUTE ON FUNCTION selfscale._index_bytes(bigint, integer, bigint, double precision),
  selfscale._query_bytes(bigint, double precision, integer), selfscale._table_in(text, text), selfscale._table_size(regclass),
  selfscale._ahead_bytes(text, text, regclass), selfscale._reserve_ahead(bigint, interval, text),
  selfscale._ahead(text, text, regclass)
  TO selfscale_user;
`;

/** Made by a superuser, last of all. One that was disabled stays so. */
export const EVENT_TRIGGER = String.raw`
DO $trigger$
DECLARE
  tags text := $tags$${TAGS.join(", ")}$tags$;
BEGIN
  IF EXISTS (SELECT FROM pg_event_trigger WHERE evtname = 'selfscale_anticipate') THEN RETURN; END IF;
  IF current_setting('server_version_num')::integer >= 170000 THEN tags := tags || ', ''REINDEX'''; END IF;
  EXECUTE format('CREATE EVENT TRIGGER selfscale_anticipate ON ddl_command_start WHEN TAG IN (%s)
    EXECUTE FUNCTION selfscale._anticipate()', tags);
END
$trigger$;
`;

/** First of all: its function can't be dropped while it is there. */
export const DROP_EVENT_TRIGGER = "\nDROP EVENT TRIGGER IF EXISTS selfscale_anticipate;\n";
