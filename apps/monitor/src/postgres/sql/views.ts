// What can be looked at.
import { DEFINER } from "./pinned.ts";

export const VIEWS = String.raw`
CREATE OR REPLACE FUNCTION selfscale._size() RETURNS TABLE (rung text, cpu numeric, memory text, memory_bytes bigint, note text)
LANGUAGE sql VOLATILE ${DEFINER} AS $$
  SELECT one ->> 'rung', trim_scale((one ->> 'milliCpu')::numeric / 1000), pg_size_pretty((one ->> 'memBytes')::bigint),
    (one ->> 'memBytes')::bigint, one ->> 'note'
  FROM jsonb_array_elements(selfscale._living() -> 'size') WITH ORDINALITY AS list (one, place) ORDER BY place
$$;

CREATE OR REPLACE FUNCTION selfscale._reservations() RETURNS TABLE (id text, door text, owner text, state text, memory text,
  memory_bytes bigint, cpu numeric, reason text, why text, scope text, database text, pid integer, asked timestamptz,
  until timestamptz)
LANGUAGE sql VOLATILE ${DEFINER} AS $$
  SELECT one ->> 'id', one ->> 'door', one ->> 'owner', one ->> 'state', pg_size_pretty((one ->> 'memBytes')::bigint),
    (one ->> 'memBytes')::bigint, trim_scale((one ->> 'milliCpu')::numeric / 1000), one ->> 'reason', one ->> 'why',
    one ->> 'scope', one ->> 'database', (one ->> 'pid')::integer, (one ->> 'asked')::timestamptz, (one ->> 'until')::timestamptz
  FROM jsonb_array_elements(selfscale._living() -> 'reservations') WITH ORDINALITY AS list (one, place) ORDER BY place
$$;

CREATE OR REPLACE FUNCTION selfscale._decisions() RETURNS TABLE (at timestamptz, sequence bigint, resource text, before text,
  after text, reason text, bound_by text)
LANGUAGE sql VOLATILE ${DEFINER} AS $$
  SELECT (one ->> 'at')::timestamptz, (one ->> 'sequence')::bigint, one ->> 'resource', one ->> 'before', one ->> 'after',
    one ->> 'reason', one ->> 'limit'
  FROM jsonb_array_elements(selfscale._living() -> 'decisions') WITH ORDINALITY AS list (one, place) ORDER BY place
$$;

-- In words; also when there is no monitor, for then that is the explanation.
CREATE OR REPLACE FUNCTION selfscale.explain() RETURNS SETOF text LANGUAGE plpgsql VOLATILE ${DEFINER} AS $$
BEGIN
  RETURN QUERY SELECT jsonb_array_elements_text(selfscale._living() -> 'explain');
EXCEPTION WHEN object_not_in_prerequisite_state OR feature_not_supported THEN
  RETURN NEXT format('The size stays what it is: %s.', SQLERRM);
END
$$;

CREATE OR REPLACE VIEW selfscale.size AS SELECT * FROM selfscale._size();
CREATE OR REPLACE VIEW selfscale.reservations AS SELECT * FROM selfscale._reservations();
CREATE OR REPLACE VIEW selfscale.decisions AS SELECT * FROM selfscale._decisions();

COMMENT ON VIEW selfscale.size IS 'What this machine wants, may have, was given and has.';
COMMENT ON VIEW selfscale.reservations IS 'Who has reserved what, through any door.';
COMMENT ON VIEW selfscale.decisions IS 'The last decisions on the size, and why.';
`;
