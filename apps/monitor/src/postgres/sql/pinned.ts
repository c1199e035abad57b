/**
 * What no function may take from whoever calls it: where names are looked up, and how strings are read, for regular expressions have
 * backslashes.
 */
export const PINNED = "SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on";

/** Runs as selfscale_owner, who may reach our files. */
export const DEFINER = `SECURITY DEFINER ${PINNED}`;
