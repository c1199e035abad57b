/**
 * The version of the schema `selfscale`, and of the files that its functions and the monitor exchange. Raised whenever either side
 * would misunderstand the other; a monitor serves the schemas of its own version only.
 */
export const SCHEMA_VERSION = 1;

/**
 * First key of our advisory locks ("SELF"): held by a transaction while a reservation waits, and as long as it lasts. One more: held by a
 * session.
 */
export const LOCK_CLASS = 0x53_45_4c_46;
