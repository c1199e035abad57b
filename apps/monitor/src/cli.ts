import os from "node:os";
import { readArguments } from "./arguments.ts";
import { HIGHEST_VERSION, SPOKEN_VERSIONS } from "@selfscale/protocol";
import { readReserve, type ReserveOptions } from "./commands/reserve-options.ts";
import { readSql, type SqlOptions } from "./postgres/install/command.ts";
import pkg from "../package.json" with { type: "json" };

/** What the command line asks for. Settings are null where it says nothing. */
export type Command =
  | Readonly<{ kind: "run"; configFile: string | null; settings: Settings }>
  | Readonly<{ kind: "status"; socketPath: string; isJson: boolean }>
  | Readonly<{ kind: "explain"; socketPath: string; isJson: boolean }>
  | Readonly<{ kind: "reserve"; options: ReserveOptions }>
  | Readonly<{ kind: "check-config"; configFile: string }>
  | Readonly<{ kind: "sql"; options: SqlOptions }>
  | Readonly<{ kind: "print"; text: string }>
  | Readonly<{ kind: "mistake"; problem: string }>;

/** Settings that the command line can give too; there they win over the file's. Still text. */
export type Settings = Readonly<
  Partial<{
    listen: string;
    metricsListen: string;
    status: string;
    preset: string;
    calm: string;
    protocolMax: string;
    token: string;
    tlsCert: string;
    tlsKey: string;
    tlsClientCa: string;
    requireAuth: true;
    shadow: string;
    record: string;
    recordSamplesEveryMs: string;
    logLevel: string;
  }>
>;

/** Where `status`, `explain` and `reserve` look unless told otherwise. */
export const DEFAULT_STATUS_SOCKET = "/run/selfscale/monitor.sock";
export const VERSION = pkg.version;

const HELP = `selfscale-monitor ${VERSION}: decides, inside a virtual machine, what size it needs.

Usage:
  selfscale-monitor [options]          run the monitor
  selfscale-monitor status [--json]    what the running monitor knows and wants
  selfscale-monitor explain [--json]   why the size is what it is, and what would change it
  selfscale-monitor reserve --memory SIZE --cpu N [more] -- COMMAND…
                                       run a command once that much is there for it
  selfscale-monitor check-config FILE  what a file of settings says, before the monitor is started with it
  selfscale-monitor sql install|upgrade|remove|status
                                       the SQL functions; see sql --help

Options of reserve (one of the first two at least):
  --memory SIZE                  beyond what is in use: 4Gi, 512Mi
  --cpu N                        vCPUs in all: 2, 0.5
  --wait TIME                    for the memory to be there         [30s]
  --for TIME                     then give back, though it still runs
  --if-refused fail|proceed      run the command all the same       [fail]
  --reason TEXT                  what for, for people               [the command]
  --status PATH                  socket of the monitor

Options (each but --config is also a key of the file; the command line wins):
  --listen ADDRESS:PORT          where agents connect             [0.0.0.0:10301]
  --metrics-listen ADDRESS:PORT  where host_* metrics are served  [0.0.0.0:9100]
  --status PATH                  socket of these commands         [${DEFAULT_STATUS_SOCKET}]
  --config FILE                  YAML file with the other settings
  --preset default|frugal|calm|demo
                                 how patiently sizes fall; demo is for showing, not for use
  --calm N                       the same as a number: 0 is frugal, 0.5 the default, 1 calm
  --protocol-max ${SPOKEN_VERSIONS.join("|")}             highest protocol version to speak                  [${HIGHEST_VERSION}]
  --token FILE                   ask agents for the token in this file
  --tls-cert FILE                serve wss with the certificate in this PEM file
  --tls-key FILE                 its private key
  --tls-client-ca FILE           ask agents for a certificate issued by one in this file
  --require-auth                 refuse to start without a token or a client CA
  --shadow PRESET                a second policy beside the live one, without effect: see status
  --record FILE                  write down every frame; at most two files of 8 MiB
  --record-samples-every-ms MS   there also what is measured, 250 or more apart
  --log-level LEVEL              debug, info, warn or error                      [info]
  --help, --version
`;

const OPTIONS = {
  config: { type: "string" },
  listen: { type: "string" },
  "metrics-listen": { type: "string" },
  status: { type: "string" },
  preset: { type: "string" },
  calm: { type: "string" },
  "protocol-max": { type: "string" },
  token: { type: "string" },
  "tls-cert": { type: "string" },
  "tls-key": { type: "string" },
  "tls-client-ca": { type: "string" },
  "require-auth": { type: "boolean" },
  shadow: { type: "string" },
  record: { type: "string" },
  "record-samples-every-ms": { type: "string" },
  "log-level": { type: "string" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
  version: { type: "boolean", short: "V" },
} as const;

/** Reads the arguments. Never throws: a mistake is a command too. */
export function readCommand(args: readonly string[]): Command {
  const [first, ...others] = args;
  if (first === "sql") return readSql(others);
  if (first === "reserve") return reserveCommand(others);
  const parsed = readArguments(args, OPTIONS);
  if ("problem" in parsed) return mistake(parsed.problem);
  const { values, positionals } = parsed;
  if (values.help) return { kind: "print", text: HELP };
  if (values.version) return { kind: "print", text: `${VERSION}\n` };
  const [word, ...rest] = positionals;
  if (word === "check-config" && rest.length === 1) return checkCommand(rest[0] ?? "", values);
  if (word === "check-config") return mistake("check-config takes one file");
  if (rest[0] !== undefined) return mistake(`unexpected argument ${JSON.stringify(rest[0])}`);
  if (word === "status" || word === "explain") {
    const socketPath = values.status ?? DEFAULT_STATUS_SOCKET;
    return { kind: word, socketPath, isJson: values.json ?? false };
  }
  if (word !== undefined) {
    return mistake(
      `unknown command ${JSON.stringify(word)}, expected status, explain, reserve, check-config or sql`,
    );
  }
  if (values.json) return mistake("--json belongs to the commands status and explain");
  return { kind: "run", configFile: values.config ?? null, settings: settingsOf(values) };
}

/** Nothing beside the file: what the command line overrides is not in it. */
function checkCommand(configFile: string, values: Readonly<Record<string, unknown>>): Command {
  const [option] = Object.keys(values);
  if (option !== undefined) return mistake(`check-config takes a file only, not --${option}`);
  return { kind: "check-config", configFile };
}

function reserveCommand(args: readonly string[]): Command {
  const cut = args.indexOf("--");
  const ours = cut < 0 ? args : args.slice(0, cut);
  if (ours.includes("--help") || ours.includes("-h")) return { kind: "print", text: HELP };
  const read = readReserve(args, { socketPath: DEFAULT_STATUS_SOCKET, owner: userName() });
  return read.ok ? { kind: "reserve", options: read.options } : mistake(read.problem);
}

function userName(): string {
  try {
    return os.userInfo().username;
  } catch {
    return String(process.getuid?.() ?? "unknown"); // a user without an entry has no name
  }
}

function settingsOf(values: Partial<Record<keyof typeof OPTIONS, string | boolean>>): Settings {
  const named = {
    listen: values.listen,
    metricsListen: values["metrics-listen"],
    status: values.status,
    preset: values.preset,
    calm: values.calm,
    protocolMax: values["protocol-max"],
    token: values.token,
    tlsCert: values["tls-cert"],
    tlsKey: values["tls-key"],
    tlsClientCa: values["tls-client-ca"],
    requireAuth: values["require-auth"],
    shadow: values.shadow,
    record: values.record,
    recordSamplesEveryMs: values["record-samples-every-ms"],
    logLevel: values["log-level"],
  };
  return Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined));
}

function mistake(problem: string): Command {
  return { kind: "mistake", problem: `${problem} (see selfscale-monitor --help)` };
}
