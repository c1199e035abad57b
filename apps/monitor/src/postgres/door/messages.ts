// What the SQL functions leave in the bell's folder. Only they and PostgreSQL's superusers can; it is checked all the same.

export const SCOPES = ["transaction", "session", "hold"] as const;
export type Scope = (typeof SCOPES)[number];

/** A request. It is believed only as long as pg_locks shows that its session is there. */
export type Ask = Readonly<{
  kind: "ask";
  /** Number of the reservation, and second key of its advisory lock. */
  nonce: number;
  pid: number;
  /** Whom the session acts for: the reservation is theirs. */
  role: string;
  /** Number of the role that logged in, as pg_stat_activity has it; a session may act for another, and roles are renamed. */
  loginId: number;
  database: string;
  door: "sql" | "anticipation";
  memBytes: number;
  milliCpu: number;
  waitMs: number;
  /** From the moment it is granted. null: until its transaction or session ends. */
  holdMs: number | null;
  scope: Scope;
  ifRefused: "fail" | "proceed";
  reason: string;
  /** By the wall clock, so that a monitor that comes later knows how old it is. */
  atMs: number;
}>;

/** It shall last so long from `atMs`; a reservation with scope "hold" then needs no session any more. */
export type Hold = Readonly<{
  kind: "hold";
  nonce: number;
  holdMs: number;
  atMs: number;
  /** Shown in the answer, so that the session sees that it was taken in. */
  mark: string | null;
}>;

export type Release = Readonly<{ kind: "release"; nonce: number; atMs: number }>;

export type Message = Ask | Hold | Release;

/** null: it is none of ours, or not written to its end yet. */
export function parseMessage(kind: string, text: string): Message | null {
  const fields = parseObject(text);
  if (fields === null) return null;
  const { nonce, atMs } = fields;
  if (!isWhole(nonce) || !isWhole(atMs) || nonce === 0) return null;
  if (kind === "release") return { kind, nonce, atMs };
  if (kind === "hold") {
    const { holdMs, mark = null } = fields;
    if (!isWhole(holdMs) || !(mark === null || typeof mark === "string")) return null;
    return { kind, nonce, holdMs, mark, atMs };
  }
  return kind === "ask" ? parseAsk(nonce, atMs, fields) : null;
}

type Fields = Readonly<Record<string, unknown>>;

function parseAsk(nonce: number, atMs: number, fields: Fields): Ask | null {
  const {
    pid,
    role,
    loginId,
    database,
    door,
    memBytes,
    milliCpu,
    waitMs,
    holdMs,
    scope,
    ifRefused,
    reason,
  } = fields;
  const isSane =
    [pid, loginId, memBytes, milliCpu, waitMs].every(isWhole) &&
    [role, database, reason].every((text) => typeof text === "string") &&
    (holdMs === null || isWhole(holdMs)) &&
    (door === "sql" || door === "anticipation") &&
    (ifRefused === "fail" || ifRefused === "proceed") &&
    SCOPES.some((one) => one === scope);
  if (!isSane) return null;
  const session = { pid, role, loginId, database };
  const checked = { door, memBytes, milliCpu, waitMs, holdMs, scope };
  return { kind: "ask", nonce, atMs, ...session, ...checked, ifRefused, reason } as Ask;
}

function parseObject(text: string): Fields | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Fields) : null;
  } catch {
    return null;
  }
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
