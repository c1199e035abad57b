// What the control socket can be asked, each with what it does. Answers are JSON; a trace is lines of it.
import { type MonoMs, type VmEvent, type VmExplanation } from "@selfscale/core";
import * as z from "zod";
import { BytesOrNone, MilliCpuOrNone } from "../config/quantities.ts";
import { traceLines } from "../journal/trace.ts";
import { type ReloadStatus } from "../reload/reloader.ts";
import { type Fleet, type FleetStatus } from "../shell/fleet.ts";
import { type KeptNote } from "../shell/notes.ts";
import { LoopDownError } from "../shell/orders.ts";
import { type OrderStatus, type VmRunner } from "../shell/vm-runner.ts";
import { Duration } from "./duration.ts";

/** `GET /status`. */
export type AgentStatus = FleetStatus & Readonly<{ config: ReloadStatus }>;
/** `GET /vms/NAME/explain`. */
export type ExplainAnswer = VmExplanation &
  Readonly<{ operator: OrderStatus; notes: readonly KeptNote[] }>;
/** What an order answers. `warning`: what the operator must know of it. */
export type OrderAnswer = Readonly<{ vm: string; operator: OrderStatus; warning: string | null }>;

export type Answer = Readonly<
  { status: number; body: unknown } | { status: 200; lines: Iterable<string> }
>;

export type Controlled = Readonly<{
  fleet: Fleet;
  config: () => ReloadStatus;
  release: string;
  now: () => MonoMs;
}>;

/** An order is a few numbers; more is a mistake. */
export const MAX_BODY_BYTES = 4_096;
const EXPLAINED_NOTES = 10;
const DEFAULT_FLOOR_MS = 3_600_000;
const DEFAULT_TRACE_MS = 600_000;
const MAX_NAMES = 20;

const FORGOTTEN = "the agent keeps this in memory only: a restart of the agent forgets it";

const PauseBody = z.strictObject({ for: Duration.optional() });
const NoBody = z.strictObject({});
const SetSizeBody = z.strictObject({
  cpu: MilliCpuOrNone.default(0),
  mem: BytesOrNone.default(0),
  for: Duration.default(DEFAULT_FLOOR_MS),
  clear: z.literal(true, { error: "true, or left out" }).optional(),
});
const TraceQuery = z.strictObject({ last: Duration.default(DEFAULT_TRACE_MS) });

type Ask = Readonly<{ runner: VmRunner; body: unknown; query: URLSearchParams } & Controlled>;
type Handler = (ask: Ask) => Answer | Promise<Answer>;

const VM_ROUTES: Readonly<Record<string, Handler>> = {
  "GET explain": ({ fleet, runner }) => ok(explained(fleet, runner)),
  "GET trace": trace,
  "POST pause": async ({ runner, body, now }) => {
    const { for: forMs } = read(PauseBody, body);
    const until = forMs === undefined ? null : now() + forMs;
    return ordered(runner, { kind: "operator-paused", isPaused: true, until }, FORGOTTEN);
  },
  "POST resume": async ({ runner, body }) => {
    read(NoBody, body);
    return ordered(runner, { kind: "operator-paused", isPaused: false, until: null }, null);
  },
  "POST set-size": async ({ runner, body, now }) => {
    const asked = read(SetSizeBody, body);
    const floor = { milliCpu: asked.cpu, memBytes: asked.mem };
    const isEmpty = floor.milliCpu + floor.memBytes === 0;
    if (asked.clear === true) {
      if (!isEmpty) throw new BadRequest("clear goes without cpu and mem");
      return ordered(runner, { kind: "operator-floor", floor: null, until: now() }, null);
    }
    if (isEmpty) throw new BadRequest("name cpu, mem or both");
    const until = now() + asked.for;
    return ordered(runner, { kind: "operator-floor", floor, until }, FORGOTTEN);
  },
};

/** Never rejects for what was asked: that is an answer. `body`: the text of the request's. */
export async function answer(
  controlled: Controlled,
  method: string,
  url: string,
  body: string,
): Promise<Answer> {
  const { pathname, searchParams: query } = new URL(url, "http://agent");
  if (method === "GET" && pathname === "/status") {
    return ok({ ...controlled.fleet.status(), config: controlled.config() } satisfies AgentStatus);
  }
  const [, vms, name = "", action = "", ...more] = pathname.split("/");
  const handler = VM_ROUTES[`${method} ${action}`];
  if (vms !== "vms" || handler === undefined || more.length > 0) {
    return refused(404, `${method} ${pathname} is not here: ${ROUTES}`);
  }
  const runner = controlled.fleet.runner(decode(name));
  if (runner === null) return refused(404, unknownVm(decode(name), controlled.fleet.names()));
  try {
    return await handler({ ...controlled, runner, query, body: parse(body) });
  } catch (error) {
    if (error instanceof BadRequest) return refused(400, error.message);
    if (error instanceof LoopDownError) return refused(503, `${error.message}; try again`);
    throw error;
  }
}

const ROUTES = [
  "GET /status",
  ...Object.keys(VM_ROUTES).map((route) => route.replace(" ", " /vms/NAME/")),
].join(", ");

export function refused(status: number, error: string): Answer {
  return { status, body: { error } };
}

class BadRequest extends Error {
  override readonly name = "BadRequest";
}

function ok(body: unknown): Answer {
  return { status: 200, body };
}

function explained(fleet: Fleet, runner: VmRunner): ExplainAnswer {
  const { operator, notes } = runner.status();
  const explanation = fleet.explain(runner.name);
  if (explanation === null) throw new BadRequest(`${runner.name} was just taken out`);
  return { ...explanation, operator, notes: notes.slice(-EXPLAINED_NOTES) };
}

/** Answered once the machine has taken it: what is said then is so. */
async function ordered(runner: VmRunner, event: VmEvent, warning: string | null): Promise<Answer> {
  await runner.order(event);
  const { operator } = runner.status();
  return ok({ vm: runner.name, operator, warning } satisfies OrderAnswer);
}

function trace({ runner, query, now, release }: Ask): Answer {
  const { last } = read(TraceQuery, Object.fromEntries(query));
  const [until, at] = [now(), new Date().toISOString()];
  const from = until - last;
  const stretches = runner.journal(from);
  if (stretches.length === 0) return refused(503, "this VM's loop has not begun yet; try again");
  return {
    status: 200,
    lines: traceLines({ vm: runner.name, release, stretches, from, until, at }),
  };
}

function read<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new BadRequest(z.prettifyError(parsed.error).replaceAll("\n", "; "));
}

/** No body is an empty one. */
function parse(body: string): unknown {
  if (body === "") return {};
  try {
    return JSON.parse(body);
  } catch {
    throw new BadRequest("the body is not JSON"); // its own words show no more than that
  }
}

/** A name that can't be decoded is no VM's. */
function decode(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

function unknownVm(name: string, names: readonly string[]): string {
  const shown = names.slice(0, MAX_NAMES).join(", ");
  const more = names.length > MAX_NAMES ? `, and ${names.length - MAX_NAMES} more` : "";
  return `there is no VM ${JSON.stringify(name.slice(0, 80))}; there are ${shown}${more}`;
}
