// reserve(), hold() and release(): what people call.
import { DEFINER, PINNED } from "./pinned.ts";
import { LOCK_CLASS } from "./version.ts";

/** Seconds. Looking for the answer costs a small file each time, so less often the longer it takes. */
const POLL = { first: 0.002, factor: 1.2, most: 0.05 };
/** Beyond the wait: in this time the monitor says itself what it came to. Seconds. */
const GRACE_SEC = 1;
/** A waiting session gives up when the monitor's word has been stale for so long, or absent: it may be started anew. Seconds. */
const UNHEARD_SEC = { stale: 2, absent: 5 };

export const RESERVE = String.raw`
-- Asks for what has this number, whose lock we hold.
CREATE OR REPLACE FUNCTION selfscale._ask(nonce integer, request jsonb) RETURNS void LANGUAGE plpgsql VOLATILE ${DEFINER} AS $$
DECLARE
  state jsonb := selfscale._living();
  most integer := (state #>> '{limits,perOwner}')::integer;
  held integer;
BEGIN
  -- Those whose session has ended do not count, though the monitor may not have noticed yet.
  SELECT count(*) INTO held FROM jsonb_array_elements(state -> 'reservations') AS one
  WHERE one ->> 'owner' = session_user AND (one ->> 'scope' = 'hold' OR EXISTS (
    SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid::bigint IN (${LOCK_CLASS}, ${LOCK_CLASS + 1})
      AND objid::bigint = (one ->> 'nonce')::bigint AND objsubid = 2));
  IF held >= most THEN
    RAISE EXCEPTION 'role "%" has % reservations already', session_user, held USING ERRCODE = '53400',
      HINT = 'End some with selfscale.release(), or make one larger instead of many small ones.';
  END IF;
  PERFORM selfscale._ring('ask', request || jsonb_build_object('nonce', nonce, 'pid', pg_backend_pid(),
    'role', session_user, 'loginId', (SELECT usesysid::bigint FROM pg_stat_get_activity(pg_backend_pid())),
    'database', current_database()));
END
$$;

-- Waits until the monitor has decided. NULL when it has not, and the wait is over.
CREATE OR REPLACE FUNCTION selfscale._await(nonce integer, wait_ms bigint) RETURNS jsonb LANGUAGE plpgsql VOLATILE ${DEFINER} AS $$
DECLARE
  most double precision := wait_ms / 1000.0 + ${GRACE_SEC};
  deadline timestamptz := clock_timestamp() + make_interval(secs => most);
  pause double precision := ${POLL.first};
  -- Seconds that we slept in all: bounds the wait when the clock is set back.
  slept double precision := 0;
  looked double precision := 0;
  heard double precision := 0;
  patience double precision;
  state jsonb;
  answer jsonb;
BEGIN
  LOOP
    answer := selfscale._answer(nonce);
    EXIT WHEN answer ->> 'state' <> 'waiting' OR clock_timestamp() >= deadline OR slept >= most;
    IF slept - looked >= 1 THEN
      looked := slept;
      state := selfscale._state();
      IF selfscale._is_fresh(state) THEN heard := slept; END IF;
      patience := CASE WHEN state IS NULL THEN ${UNHEARD_SEC.absent} ELSE ${UNHEARD_SEC.stale} END;
      IF slept - heard >= patience THEN
        RAISE EXCEPTION 'the selfscale monitor has gone while we waited' USING ERRCODE = '55000',
          HINT = 'Does it run, and can it connect? Its log says so; or: selfscale-monitor status';
      END IF;
    END IF;
    PERFORM pg_sleep(pause);
    slept := slept + pause;
    pause := least(pause * ${POLL.factor}, ${POLL.most});
  END LOOP;
  RETURN answer;
END
$$;

-- An end without what was asked for is an error of its own for each kind of reason.
CREATE OR REPLACE FUNCTION selfscale._refuse(answer jsonb, asked text, wait interval) RETURNS void LANGUAGE plpgsql
  ${PINNED} AS $$
DECLARE
  reason text := coalesce(answer ->> 'reason', 'unanswered');
  sentence text := coalesce(answer ->> 'text', 'The monitor did not answer.');
BEGIN
  CASE
    WHEN reason = 'bounds' THEN
      RAISE EXCEPTION '% can never be granted here', asked USING ERRCODE = '53400', DETAIL = sentence,
        HINT = 'The operator of this machine sets its largest size.';
    WHEN reason = 'too-many' THEN
      RAISE EXCEPTION '% is one reservation too many', asked USING ERRCODE = '53400', DETAIL = sentence,
        HINT = 'End some with selfscale.release().';
    WHEN reason = 'bad-request' THEN
      RAISE EXCEPTION '% is not accepted', asked USING ERRCODE = '22023', DETAIL = sentence;
    ELSE
      RAISE EXCEPTION '% was not granted within %', asked, wait USING ERRCODE = '53000', DETAIL = sentence,
        HINT = 'Wait longer, ask for less, or go on without: if_refused => ''proceed''. SELECT selfscale.explain() says more.';
  END CASE;
END
$$;

-- Lets go of the session's lock, if this session has it.
CREATE OR REPLACE FUNCTION selfscale._unlock(nonce integer) RETURNS void LANGUAGE plpgsql VOLATILE ${DEFINER} AS $$
BEGIN
  IF nonce IN (SELECT selfscale._locked(${LOCK_CLASS + 1})) THEN PERFORM pg_advisory_unlock(${LOCK_CLASS + 1}, nonce); END IF;
END
$$;

-- Reserves for whoever called, through one of the monitor's doors. Not granted to anybody: reserve() is.
CREATE OR REPLACE FUNCTION selfscale._reserve(door text, memory text, cpu numeric, wait interval, hold interval, scope text,
  reason text, if_refused text,
  OUT id text, OUT granted boolean, OUT granted_memory text, OUT granted_cpu numeric, OUT why text, OUT waited interval)
LANGUAGE plpgsql VOLATILE ${DEFINER} AS $$
DECLARE
  mem_bytes bigint := selfscale._bytes(memory);
  milli_cpu integer := selfscale._milli_cpu(cpu);
  wait_ms bigint := selfscale._millis('wait', wait, '0', '1 day');
  hold_ms bigint := CASE WHEN hold IS NOT NULL THEN selfscale._millis('hold', hold, '1 second', '7 days') END;
  ends_with text := selfscale._one_of('scope', coalesce(scope, CASE WHEN hold IS NULL THEN 'session' ELSE 'hold' END),
    'transaction', 'session', 'hold');
  if_not text := selfscale._one_of('if_refused', if_refused, 'fail', 'proceed');
  asked text := concat_ws(' and ', CASE WHEN mem_bytes > 0 THEN pg_size_pretty(mem_bytes) END,
    CASE WHEN milli_cpu > 0 THEN trim_scale(milli_cpu / 1000.0) || ' CPUs' END);
  started timestamptz := clock_timestamp();
  nonce integer;
  answer jsonb;
BEGIN
  IF mem_bytes = 0 AND milli_cpu = 0 THEN
    RAISE EXCEPTION 'nothing is asked for' USING ERRCODE = '22023', HINT = 'Give memory, cpu or both.';
  END IF;
  IF ends_with = 'hold' AND hold_ms IS NULL THEN
    RAISE EXCEPTION 'scope ''hold'' needs a hold' USING ERRCODE = '22023', HINT = 'Such as hold => ''10 min''.';
  END IF;
  -- The locks show the monitor that we are here. They are taken before anybody sees the number, for a lock that we had to wait for
  -- would be a lock that others can make us wait for.
  BEGIN
    LOOP
      nonce := selfscale._nonce();
      CONTINUE WHEN ends_with = 'session' AND NOT pg_try_advisory_lock(${LOCK_CLASS + 1}, nonce);
      EXIT WHEN pg_try_advisory_xact_lock(${LOCK_CLASS}, nonce);
      PERFORM selfscale._unlock(nonce);
    END LOOP;
    PERFORM selfscale._ask(nonce, jsonb_build_object('door', door, 'memBytes', mem_bytes, 'milliCpu', milli_cpu, 'waitMs', wait_ms,
      'holdMs', hold_ms, 'scope', ends_with, 'ifRefused', if_not, 'reason', left(coalesce(reason, ''), 200)));
    answer := selfscale._await(nonce, wait_ms);
    granted := coalesce(answer ->> 'state' = 'granted', false);
    IF NOT granted THEN
      IF if_not = 'fail' THEN PERFORM selfscale._refuse(answer, asked, wait); END IF;
      PERFORM selfscale._unlock(nonce);
    ELSIF hold_ms IS NOT NULL THEN
      -- The hold counts from here. With scope 'hold' it is also what keeps the reservation when our lock is gone.
      PERFORM selfscale._ring('hold', jsonb_build_object('nonce', nonce, 'holdMs', hold_ms));
    END IF;
  EXCEPTION WHEN OTHERS OR query_canceled THEN
    -- The transaction's lock ends with the error, a session's does not. Without a function of ours: they may have been dropped meanwhile.
    IF EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid::bigint = ${LOCK_CLASS + 1}
      AND objid::bigint = nonce AND objsubid = 2 AND pid = pg_backend_pid()) THEN
      PERFORM pg_advisory_unlock(${LOCK_CLASS + 1}, nonce);
    END IF;
    RAISE;
  END;
  id := 'sql-' || nonce;
  granted_memory := pg_size_pretty((answer #>> '{granted,memBytes}')::bigint);
  granted_cpu := trim_scale((answer #>> '{granted,milliCpu}')::numeric / 1000);
  why := coalesce(answer ->> 'text', 'The monitor did not answer.');
  waited := clock_timestamp() - started;
END
$$;

CREATE OR REPLACE FUNCTION selfscale.reserve(memory text DEFAULT '0', cpu numeric DEFAULT 0, wait interval DEFAULT '30 s',
  hold interval DEFAULT NULL, scope text DEFAULT NULL, reason text DEFAULT '', if_refused text DEFAULT 'fail',
  OUT id text, OUT granted boolean, OUT granted_memory text, OUT granted_cpu numeric, OUT why text, OUT waited interval)
LANGUAGE sql VOLATILE ${DEFINER} AS $$
  SELECT * FROM selfscale._reserve('sql', memory, cpu, wait, hold, scope, reason, if_refused)
$$;

-- Numbers of what is meant: one reservation, or all of this session. One of others is 42501.
CREATE OR REPLACE FUNCTION selfscale._meant(id text) RETURNS SETOF integer LANGUAGE plpgsql VOLATILE ${DEFINER} AS $$
DECLARE
  owner text;
BEGIN
  IF id IS NULL THEN
    RETURN QUERY SELECT selfscale._mine();
    RETURN;
  END IF;
  SELECT one ->> 'owner' INTO owner FROM jsonb_array_elements(selfscale._living() -> 'reservations') AS one
    WHERE one ->> 'id' = _meant.id AND one ->> 'nonce' IS NOT NULL;
  IF owner IS NULL THEN RETURN; END IF;
  -- Whose role has been dropped since: a superuser's.
  IF owner <> session_user AND NOT coalesce(pg_has_role(session_user, to_regrole(quote_ident(owner))::oid, 'MEMBER'),
    (SELECT rolsuper FROM pg_roles WHERE rolname = session_user), false) THEN
    RAISE EXCEPTION 'reservation "%" belongs to role "%"', id, owner USING ERRCODE = '42501';
  END IF;
  RETURN NEXT substring(id FROM '\d+$')::integer;
END
$$;

-- Waits a moment until the monitor has taken a message in: who looks afterwards sees what it did.
CREATE OR REPLACE FUNCTION selfscale._settle(nonce integer, field text, value text) RETURNS void LANGUAGE plpgsql VOLATILE ${DEFINER} AS $$
DECLARE
  answer jsonb;
BEGIN
  FOR attempt IN 1..100 LOOP
    answer := selfscale._answer(nonce);
    EXIT WHEN answer IS NULL OR answer ->> field = value;
    PERFORM pg_sleep(0.01);
  END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION selfscale.release(id text DEFAULT NULL) RETURNS integer LANGUAGE plpgsql VOLATILE ${DEFINER} AS $$
DECLARE
  meant integer[] := ARRAY(SELECT selfscale._meant(id));
  -- Locks of our own, whatever the monitor says: also when there is none.
  locked integer[] := ARRAY(SELECT one FROM selfscale._locked(${LOCK_CLASS + 1}) AS one WHERE id IS NULL OR one = ANY (meant));
  nonce integer;
  done integer := 0;
BEGIN
  FOR nonce IN SELECT unnest(meant) UNION SELECT unnest(locked) LOOP
    done := done + 1;
    IF nonce = ANY (locked) THEN PERFORM pg_advisory_unlock(${LOCK_CLASS + 1}, nonce); END IF;
    -- Of a transaction's lock nobody can let go: the monitor is told. When there is none, there is nothing to end.
    CONTINUE WHEN NOT nonce = ANY (meant) OR NOT selfscale._is_fresh(selfscale._state());
    PERFORM selfscale._ring('release', jsonb_build_object('nonce', nonce));
    PERFORM selfscale._settle(nonce, 'state', 'ended');
  END LOOP;
  RETURN done;
END
$$;

CREATE OR REPLACE FUNCTION selfscale.hold(hold interval, id text DEFAULT NULL) RETURNS integer LANGUAGE plpgsql VOLATILE ${DEFINER} AS $$
DECLARE
  hold_ms bigint := selfscale._millis('hold', hold, '1 second', '7 days');
  nonce integer;
  done integer := 0;
  mark text;
BEGIN
  PERFORM selfscale._living();
  FOR nonce IN SELECT selfscale._meant(id) LOOP
    done := done + 1;
    mark := selfscale._nonce();
    PERFORM selfscale._ring('hold', jsonb_build_object('nonce', nonce, 'holdMs', hold_ms, 'mark', mark));
    PERFORM selfscale._settle(nonce, 'mark', mark);
  END LOOP;
  RETURN done;
END
$$;
`;
