import { parseArgs } from "node:util";
import { optionProblem } from "../arguments.ts";
import { DEFAULT_WAIT_MS } from "../local-api/wish.ts";
import {
  BYTES_EXPECTED,
  DURATION_EXPECTED,
  parseBytes,
  parseDuration,
} from "../config/quantities.ts";

/** `selfscale-monitor reserve`: what to ask for, and what to run then. */
export type ReserveOptions = Readonly<{
  socketPath: string;
  /** The wish as `POST /reservations` takes it. */
  wish: Readonly<Record<string, unknown>>;
  /** How long the monitor lets it wait. */
  waitMs: number;
  /** From the grant; null: as long as the command runs. */
  holdMs: number | null;
  ifRefused: "fail" | "proceed";
  command: readonly [string, ...string[]];
}>;

type Read =
  Readonly<{ ok: true; options: ReserveOptions }> | Readonly<{ ok: false; problem: string }>;

const OPTIONS = {
  memory: { type: "string" },
  cpu: { type: "string" },
  for: { type: "string" },
  wait: { type: "string" },
  "if-refused": { type: "string" },
  reason: { type: "string" },
  status: { type: "string" },
} as const;

type Values = Readonly<Partial<Record<keyof typeof OPTIONS, string>>>;

/** An option that is wrong. It never leaves this file. */
class OptionError extends Error {}

/** The words after `reserve`. Never throws. `owner`: who is to be shown as the one who asks. */
export function readReserve(
  args: readonly string[],
  defaults: Readonly<{ socketPath: string; owner: string }>,
): Read {
  const cut = args.indexOf("--");
  const [program, ...rest] = cut < 0 ? [] : args.slice(cut + 1);
  try {
    const { values } = parseArgs({
      args: [...args.slice(0, cut < 0 ? args.length : cut)],
      options: OPTIONS,
    });
    if (program === undefined) throw new OptionError("reserve expects a command after --");
    const wish = { ...wishOf(values, [program, ...rest].join(" ")), owner: defaults.owner };
    const ifRefused = values["if-refused"] ?? "fail";
    if (ifRefused !== "fail" && ifRefused !== "proceed") {
      throw refused("if-refused", ifRefused, "fail or proceed");
    }
    const options: ReserveOptions = {
      socketPath: values.status ?? defaults.socketPath,
      wish: { ...wish, ifNotGranted: ifRefused },
      waitMs: parseDuration(values.wait) ?? DEFAULT_WAIT_MS,
      holdMs: parseDuration(values.for),
      ifRefused,
      command: [program, ...rest],
    };
    return { ok: true, options };
  } catch (error) {
    return { ok: false, problem: optionProblem(error) };
  }
}

const MAX_REASON_CHARS = 200;

function wishOf(values: Values, command: string): Record<string, unknown> {
  const { memory, cpu } = values;
  if (memory === undefined && cpu === undefined) {
    throw new OptionError("reserve expects --memory, --cpu or both");
  }
  if (memory !== undefined && !(Number(parseBytes(memory)) > 0)) {
    throw refused("memory", memory, `more than 0: ${BYTES_EXPECTED}`);
  }
  const vcpus = /^\d{1,4}(\.\d{1,3})?$/.test(cpu ?? "") ? Number(cpu) : NaN;
  if (cpu !== undefined && !(vcpus > 0)) throw refused("cpu", cpu, "a number of vCPUs (2, 0.5)");
  for (const name of ["for", "wait"] as const) {
    const value = values[name];
    if (value !== undefined && parseDuration(value) === null) {
      throw refused(name, value, DURATION_EXPECTED);
    }
  }
  return {
    door: "command",
    bound: true,
    reason: (values.reason ?? command).slice(0, MAX_REASON_CHARS),
    ...(memory === undefined ? {} : { memory }),
    ...(cpu === undefined ? {} : { cpu: vcpus }),
    ...(values.wait === undefined ? {} : { wait: values.wait }),
    ...(values.for === undefined ? {} : { hold: values.for }),
  };
}

function refused(option: string, value: string, expected: string): OptionError {
  return new OptionError(
    `--${option}: ${JSON.stringify(value)} is not accepted: expected ${expected}`,
  );
}
