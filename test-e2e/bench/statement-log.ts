// What a PostgreSQL server says of one role's statements, with log_min_duration_statement = 0: everything that came over the wire,
// whoever meant it. The server's own line about each, not what the client believes.

/** In front of each line: when, on the clock of `Date.now()` in seconds, and whose. */
export const LOG_LINE_PREFIX = "%n %u ";

export type LoggedQuery = Readonly<{
  /** When it was done, on the clock of `Date.now()`. */
  atMs: number;
  /** Parsing, binding and executing, as far as they came as messages of their own. */
  ms: number;
}>;

const LINE = /^(\d+\.\d+) (\S+) LOG: {2}duration: ([\d.]+) ms {2}(statement|parse|bind|execute)\b/;

/** The queries of one role, which has one connection: another one's messages would come in between. */
export function queriesIn(log: string, role: string): readonly LoggedQuery[] {
  const queries: LoggedQuery[] = [];
  let prepared = null as LoggedQuery | null;
  for (const line of log.split("\n")) {
    const [, seconds, user, duration, step] = LINE.exec(line) ?? [];
    if (user !== role) continue;
    const [atMs, ms]: [number, number] = [Number(seconds) * 1000, Number(duration)];
    if (step === "parse" || step === "bind") {
      // One that was parsed and never executed was a query all the same.
      if (step === "parse" && prepared !== null) queries.push(prepared);
      prepared = { atMs, ms: ms + (step === "bind" ? (prepared?.ms ?? 0) : 0) };
    } else {
      queries.push({ atMs, ms: ms + (step === "execute" ? (prepared?.ms ?? 0) : 0) });
      prepared = null;
    }
  }
  return prepared === null ? queries : [...queries, prepared];
}
