// What an installation begins and ends with: who may do it, what is there already, and the roles.
import { LOCK_CLASS, SCHEMA_COMMENT, SCHEMA_VERSION } from "./version.ts";

/**
 * Says what must be so before anything is touched. A superuser runs it in a database where others may have made functions for their
 * search path: only what is PostgreSQL's own is found.
 * Refuses with an SQLSTATE of its own for each.
 */
export function preconditions(command: "install" | "upgrade" | "remove"): string {
  return String.raw`
SET LOCAL client_min_messages = warning;
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL standard_conforming_strings = on;
SELECT pg_advisory_xact_lock(${LOCK_CLASS}, 0);
DO $guard$
DECLARE
  comment text := ${SCHEMA_COMMENT};
  installed integer := substring(comment FROM '^selfscale schema, version (\d+)')::integer;
BEGIN
  IF pg_is_in_recovery() THEN
    RAISE EXCEPTION 'this server is a standby' USING ERRCODE = '25006',
      HINT = 'Do it on the primary: the schema comes over by itself.';
  END IF;
  IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
    RAISE EXCEPTION 'role "%" is no superuser', current_user USING ERRCODE = '42501',
      HINT = 'Run it as the user that PostgreSQL runs as, or give --user and --password-file of a superuser.';
  END IF;
  IF current_setting('server_version_num')::integer < 140000 THEN
    RAISE EXCEPTION 'PostgreSQL % is too old: 14 or newer is needed', current_setting('server_version')
      USING ERRCODE = '0A000';
  END IF;
  IF to_regnamespace('selfscale') IS NOT NULL AND installed IS NULL THEN
    RAISE EXCEPTION 'there is a schema "selfscale" that is not ours' USING ERRCODE = '42P06',
      HINT = 'Rename or drop it.';
  END IF;
  ${GUARDS[command]}
END
$guard$;
`;
}

const GUARDS = {
  install: String.raw`IF installed <> ${SCHEMA_VERSION} THEN
    RAISE EXCEPTION 'version % of the schema is installed, this is version ${SCHEMA_VERSION}', installed
      USING ERRCODE = '55000', HINT = CASE WHEN installed < ${SCHEMA_VERSION}
        THEN 'Run: selfscale-monitor sql upgrade' ELSE 'A newer selfscale-monitor made it: use that one.' END;
  END IF;`,
  upgrade: String.raw`IF installed IS NULL THEN
    RAISE EXCEPTION 'the schema is not installed in database "%"', current_database()
      USING ERRCODE = '3F000', HINT = 'Run: selfscale-monitor sql install';
  END IF;
  IF installed > ${SCHEMA_VERSION} THEN
    RAISE EXCEPTION 'version % of the schema is installed, this is version ${SCHEMA_VERSION}', installed
      USING ERRCODE = '55000', HINT = 'A newer selfscale-monitor made it: use that one.';
  END IF;`,
  remove: "",
} as const;

/**
 * Three roles. selfscale_user: whoever may call; it is granted to people. selfscale_owner: what the functions run as; nobody logs in
 * as it, and it may do nothing but reach our files. selfscale_monitor: the monitor; it reads what pg_monitor may read.
 */
export const ROLES = String.raw`
DO $roles$
BEGIN
  IF to_regrole('selfscale_user') IS NULL THEN CREATE ROLE selfscale_user NOLOGIN; END IF;
  IF to_regrole('selfscale_owner') IS NULL THEN CREATE ROLE selfscale_owner NOLOGIN; END IF;
  IF to_regrole('selfscale_monitor') IS NULL THEN CREATE ROLE selfscale_monitor LOGIN; END IF;
  -- What it is granted next would be theirs who may be it.
  IF EXISTS (SELECT FROM pg_roles AS one WHERE rolname = 'selfscale_owner'
    AND (rolcanlogin OR rolsuper OR EXISTS (SELECT FROM pg_auth_members WHERE roleid = one.oid))) THEN
    RAISE EXCEPTION 'there is a role "selfscale_owner" that can log in, or that others are members of' USING ERRCODE = '42710',
      HINT = 'Drop it, or ALTER ROLE selfscale_owner NOLOGIN NOSUPERUSER, and REVOKE it from its members.';
  END IF;
END
$roles$;
GRANT pg_read_server_files, pg_write_server_files TO selfscale_owner;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_file(text, bigint, bigint, boolean) TO selfscale_owner;
GRANT pg_monitor TO selfscale_monitor;
CREATE SCHEMA IF NOT EXISTS selfscale AUTHORIZATION selfscale_owner;
COMMENT ON SCHEMA selfscale IS 'selfscale schema, version ${SCHEMA_VERSION}';
SET LOCAL ROLE selfscale_owner;
`;

/** Nobody may do anything but what is granted here: functions are everybody's when they are made. */
export const GRANTS = String.raw`
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA selfscale FROM PUBLIC;
GRANT USAGE ON SCHEMA selfscale TO selfscale_user, selfscale_monitor;
GRANT EXECUTE ON FUNCTION
  selfscale.reserve(text, numeric, interval, interval, text, text, text),
  selfscale.release(text), selfscale.hold(interval, text), selfscale.explain(),
  selfscale._size(), selfscale._reservations(), selfscale._decisions()
  TO selfscale_user;
GRANT SELECT ON selfscale.size, selfscale.reservations, selfscale.decisions TO selfscale_user;
GRANT EXECUTE ON FUNCTION selfscale._root() TO selfscale_monitor;
RESET ROLE;
`;

/** Views first, for they use the functions. What others made out of ours keeps it from being dropped, and is named. */
export const DROP_OBJECTS = String.raw`
DO $drop$
DECLARE
  object record;
BEGIN
  FOR object IN
    SELECT format('VIEW %s', oid::regclass) AS name, 1 AS turn FROM pg_class
      WHERE relnamespace = to_regnamespace('selfscale') AND relkind = 'v'
    UNION ALL
    SELECT format('FUNCTION %s', oid::regprocedure), 2 FROM pg_proc
      WHERE pronamespace = to_regnamespace('selfscale')
    ORDER BY turn
  LOOP
    EXECUTE 'DROP ' || object.name;
  END LOOP;
END
$drop$;
`;

/** Roles belong to the whole server: another database may need them still. */
export const DROP_ROLES = String.raw`
DROP SCHEMA IF EXISTS selfscale;
SET LOCAL client_min_messages = notice;
DO $roles$
DECLARE
  name text;
BEGIN
  IF to_regrole('selfscale_owner') IS NOT NULL THEN
    REVOKE EXECUTE ON FUNCTION pg_catalog.pg_read_file(text, bigint, bigint, boolean) FROM selfscale_owner;
  END IF;
  FOREACH name IN ARRAY ARRAY['selfscale_user', 'selfscale_owner', 'selfscale_monitor'] LOOP
    CONTINUE WHEN to_regrole(name) IS NULL;
    BEGIN
      EXECUTE format('DROP ROLE %I', name);
    EXCEPTION WHEN dependent_objects_still_exist THEN
      RAISE NOTICE 'role % is kept: something else needs it', name;
    END;
  END LOOP;
END
$roles$;
`;
