/**
 * The version of the schema `selfscale`, and of the files that its functions and the monitor exchange. Raised whenever either side
 * would misunderstand the other; a monitor serves the schemas of its own version only.
 */
export const SCHEMA_VERSION = 1;

/**
 * What is said of the schema, if it is ours: anybody may write such a comment who may make a schema. An expression of SQL; null when
 * there is none of ours.
 */
export const SCHEMA_COMMENT = `(SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace
    WHERE nspname = 'selfscale' AND nspowner = to_regrole('selfscale_owner')::oid)`;

/**
 * First key of our advisory locks ("SELF"): held by a transaction while a reservation waits, and as long as it lasts. One more: held by a
 * session.
 */
export const LOCK_CLASS = 0x53_45_4c_46;
