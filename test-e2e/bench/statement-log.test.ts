import { expect, test } from "vitest";
import { queriesIn } from "./statement-log.ts";

/** Pasted from PostgreSQL 15, times rounded. */
const LOG = `1795707600.100 [unknown] LOG:  database system is ready to accept connections
1795707601.100 monitor LOG:  duration: 0.250 ms  statement: EXECUTE activity(0.5)
1795707601.100 monitor DETAIL:  prepare: PREPARE activity(double precision) AS
\tSELECT 1
1795707602.000 other LOG:  duration: 9.000 ms  statement: SELECT 9
1795707602.100 monitor LOG:  duration: 0.100 ms  parse <unnamed>: SELECT $1::int8[]
1795707602.101 monitor LOG:  duration: 0.200 ms  bind <unnamed>: SELECT $1::int8[]
1795707602.101 monitor DETAIL:  parameters: $1 = '{7}'
1795707602.102 monitor LOG:  duration: 0.400 ms  execute <unnamed>: SELECT $1::int8[]
1795707602.102 monitor DETAIL:  parameters: $1 = '{7}'
1795707603.000 monitor LOG:  duration: 0.300 ms  parse <unnamed>: SELECT 1 / 0
1795707603.001 monitor ERROR:  division by zero
1795707604.000 monitor LOG:  duration: 0.500 ms  parse <unnamed>: SELECT 2
`;

test("each query once, with all that it took, whatever came of it", () => {
  const queries = queriesIn(LOG, "monitor").map(({ atMs, ms }) => [
    Math.round(atMs - 1_795_707_600_000),
    Number(ms.toFixed(3)),
  ]);
  expect(queries).toEqual([
    [1_100, 0.25],
    [2_102, 0.7],
    [3_000, 0.3],
    [4_000, 0.5],
  ]);
  expect(queriesIn(LOG, "nobody")).toEqual([]);
});
