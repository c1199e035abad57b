// What people write, and what is made of it. Each mistake is 22023, and each NULL 22004.
import { PINNED } from "./pinned.ts";

export const QUANTITIES = String.raw`
-- '12GB', '512 MB', '1.5 GiB', '4Gi', '1048576': units of 1024, as PostgreSQL's own.
CREATE OR REPLACE FUNCTION selfscale._bytes(size text) RETURNS bigint LANGUAGE plpgsql IMMUTABLE
  ${PINNED} AS $$
DECLARE
  parts text[] := regexp_match(size, '^\s*(\d{1,18}(?:\.\d{1,6})?)\s*([A-Za-z]*)\s*$');
  factor numeric := CASE lower(parts[2])
    WHEN '' THEN 1 WHEN 'b' THEN 1 WHEN 'bytes' THEN 1
    WHEN 'k' THEN 1024 WHEN 'kb' THEN 1024 WHEN 'ki' THEN 1024 WHEN 'kib' THEN 1024
    WHEN 'm' THEN 1048576 WHEN 'mb' THEN 1048576 WHEN 'mi' THEN 1048576 WHEN 'mib' THEN 1048576
    WHEN 'g' THEN 1073741824 WHEN 'gb' THEN 1073741824 WHEN 'gi' THEN 1073741824 WHEN 'gib' THEN 1073741824
    WHEN 't' THEN 1099511627776 WHEN 'tb' THEN 1099511627776 WHEN 'ti' THEN 1099511627776 WHEN 'tib' THEN 1099511627776
  END;
  bytes numeric := ceil(parts[1]::numeric * factor);
BEGIN
  IF size IS NULL THEN
    RAISE EXCEPTION 'memory is NULL' USING ERRCODE = '22004', HINT = 'Leave it out for none.';
  END IF;
  -- What a 64-bit float holds exactly: no machine has more, and the monitor counts in these.
  IF bytes IS NULL OR bytes > 9007199254740991 THEN
    RAISE EXCEPTION 'memory % is not accepted', quote_literal(left(size, 60)) USING ERRCODE = '22023',
      HINT = 'Expected a size such as 512MB, 12GB or 1.5TB, or a number of bytes; not negative.';
  END IF;
  RETURN bytes;
END
$$;

CREATE OR REPLACE FUNCTION selfscale._milli_cpu(cpu numeric) RETURNS integer LANGUAGE plpgsql IMMUTABLE
  ${PINNED} AS $$
BEGIN
  IF cpu IS NULL THEN
    RAISE EXCEPTION 'cpu is NULL' USING ERRCODE = '22004', HINT = 'Leave it out for none.';
  END IF;
  -- NaN is above every number.
  IF cpu < 0 OR cpu > 1024 THEN
    RAISE EXCEPTION 'cpu % is not accepted', left(cpu::text, 60) USING ERRCODE = '22023',
      HINT = 'Expected a number of CPUs from 0 to 1024, such as 4 or 0.5.';
  END IF;
  RETURN ceil(cpu * 1000);
END
$$;

-- Milliseconds of an interval between two others.
CREATE OR REPLACE FUNCTION selfscale._millis(name text, value interval, shortest interval, longest interval) RETURNS bigint
  LANGUAGE plpgsql IMMUTABLE ${PINNED} AS $$
DECLARE
  secs numeric := extract(epoch FROM value);
BEGIN
  IF value IS NULL THEN
    RAISE EXCEPTION '% is NULL', name USING ERRCODE = '22004';
  END IF;
  -- Intervals are compared with months of 30 days, but twelve of them last 365.25.
  IF secs < extract(epoch FROM shortest) OR secs > extract(epoch FROM longest) THEN
    RAISE EXCEPTION '% % is not accepted', name, quote_literal(value) USING ERRCODE = '22023',
      HINT = format('Expected an interval from %s to %s.', shortest, longest);
  END IF;
  RETURN ceil(secs * 1000);
END
$$;

CREATE OR REPLACE FUNCTION selfscale._one_of(name text, value text, VARIADIC words text[]) RETURNS text
  LANGUAGE plpgsql IMMUTABLE ${PINNED} AS $$
BEGIN
  IF value IS NULL THEN
    RAISE EXCEPTION '% is NULL', name USING ERRCODE = '22004';
  END IF;
  IF value <> ALL (words) THEN
    RAISE EXCEPTION '% % is not accepted', name, quote_literal(left(value, 60)) USING ERRCODE = '22023',
      HINT = format('Expected one of %s.', array_to_string(words, ', '));
  END IF;
  RETURN value;
END
$$;
`;
