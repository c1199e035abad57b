import { readFileSync } from "node:fs";
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { addWorld, type WorldOptions } from "./world/options.ts";
import pkg from "../package.json" with { type: "json" };
import { addRecord, type RecordInvocation } from "./record/arguments.ts";
import { addReplayCommands, type ReplayInvocation } from "./replay/arguments.ts";

export const PROFILES = ["selfscale", "deployed-v1"] as const;
export type ProfileName = (typeof PROFILES)[number];

export type ConformOptions = Readonly<{
  profile: ProfileName;
  isJson: boolean;
  mayBeDangerous: boolean;
  /** Checks whose id begins so; null: all. */
  only: readonly string[] | null;
  token: string | null;
  patience: number;
}>;

export type TranscriptOptions = Readonly<{
  vm: string | null;
  link: number | null;
  isJson: boolean;
  isRaw: boolean;
}>;

/** What the command line asks for. */
export type Invocation =
  | Readonly<{ kind: "conform-monitor"; url: string; options: ConformOptions }>
  | Readonly<{
      kind: "conform-agent";
      host: string;
      port: number;
      vm: string | null;
      options: ConformOptions;
    }>
  /** The rules that would be checked of this side. */
  | Readonly<{ kind: "list-checks"; side: "monitor" | "agent" }>
  | Readonly<{ kind: "transcript"; file: string; options: TranscriptOptions }>
  | ReplayInvocation
  | RecordInvocation
  | Readonly<{ kind: "world"; options: WorldOptions }>
  /** Help, the version, or a mistake: it is printed already, only the exit code is left. */
  | Readonly<{ kind: "done"; exitCode: number }>;

/** Wrong use of the command line. */
export const EXIT_USAGE = 2;

/** Reads the arguments. Prints help and mistakes itself. */
export function readInvocation(args: readonly string[]): Invocation {
  let invocation: Invocation = { kind: "done", exitCode: EXIT_USAGE };
  const found = (what: Invocation) => (invocation = what);
  const program = new Command("selfscale-lab")
    .description("Compares policies on traces; checks and explains what agents and monitors say.")
    .version(pkg.version)
    .exitOverride();
  addConform(program, found);
  addTranscript(program, found);
  addReplayCommands(program, found);
  addRecord(program, found);
  addWorld(program, (options) => found({ kind: "world", options }));
  try {
    program.parse([...args], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return { kind: "done", exitCode: error.exitCode === 0 ? 0 : EXIT_USAGE };
  }
  return invocation;
}

type Listen = Readonly<{ host: string; port: number }>;
type RawTranscript = { vm?: string; link?: number; json?: true; raw?: true };

function addTranscript(program: Command, found: (what: Invocation) => void): void {
  program
    .command("transcript")
    .description("tell what agent and monitor said, from a file that one of them recorded")
    .argument("<file>", "what --record wrote; its older part is read too; - is standard input")
    .option("--vm <name>", "only what was said with this VM")
    .option("--link <number>", "only this connection", readLink)
    .option("--json", "a line of JSON for each line")
    .option("--raw", "every frame's own text too, health checks included")
    .exitOverride()
    .action((file: string, { vm, link, json, raw }: RawTranscript) => {
      const options = { vm: vm ?? null, link: link ?? null };
      const how = { isJson: json ?? false, isRaw: raw ?? false };
      found({ kind: "transcript", file, options: { ...options, ...how } });
    });
}

type RawConform = {
  list?: true;
  profile: ProfileName;
  json?: true;
  dangerous?: true;
  only?: string;
  token?: string;
  patience: number;
};

function addConform(program: Command, found: (what: Invocation) => void): void {
  const conform = program
    .command("conform")
    .description("check a live monitor or agent, rule by rule; exit code 0 when nothing failed")
    .exitOverride();
  withOptions(conform.command("monitor"))
    .description("play an agent against the monitor at this address")
    .argument("[url]", "such as ws://127.0.0.1:10301/monitor", readUrl)
    .action((url: string | undefined, raw: RawConform, command: Command) => {
      if (raw.list === true) found({ kind: "list-checks", side: "monitor" });
      else if (url === undefined) command.error("error: missing required argument 'url'");
      else found({ kind: "conform-monitor", url, options: optionsOf(raw) });
    });
  withOptions(conform.command("agent"))
    .description("play a monitor, at /monitor, and wait for the agent to dial in")
    .option("--listen <[address:]port>", "where to wait for the agent", readListen)
    .option("--vm <uuid>", "the SMBIOS UUID of the agent's VM, for what needs a proven identity")
    .action((raw: RawConform & { listen?: Listen; vm?: string }, command: Command) => {
      if (raw.list === true) {
        found({ kind: "list-checks", side: "agent" });
        return;
      }
      if (raw.listen === undefined) command.error("error: missing required option '--listen'");
      const { host, port } = raw.listen;
      found({ kind: "conform-agent", host, port, vm: raw.vm ?? null, options: optionsOf(raw) });
    });
}

function withOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--profile <name>", "whose documented deviations are no failures")
        .choices(PROFILES)
        .default("selfscale"),
    )
    .option("--json", "the whole report, as JSON")
    .option("--dangerous", "also send what is known to crash deployed peers")
    .option("--list", "only list the checks, as a table in Markdown")
    .option("--only <prefixes>", "only checks whose id begins so, or so: a,b")
    .option(
      "--token <file>",
      "file with the token: to show to the monitor, or to ask of the agent",
      readToken,
    )
    .option("--patience <factor>", "factor on every deadline, for slow machines", readPatience, 1)
    .exitOverride();
}

function optionsOf(raw: RawConform): ConformOptions {
  return {
    profile: raw.profile,
    isJson: raw.json ?? false,
    mayBeDangerous: raw.dangerous ?? false,
    only: raw.only?.split(",") ?? null,
    token: raw.token ?? null,
    patience: raw.patience,
  };
}

function readUrl(text: string): string {
  const isGood = URL.canParse(text) && ["ws:", "wss:"].includes(new URL(text).protocol);
  if (!isGood) throw new InvalidArgumentError("expected a ws:// or wss:// address");
  return text;
}

function readLink(text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError("expected a number from 1");
  return Number(text);
}

/** "10301" listens on loopback only; another address must be named. */
function readListen(text: string): Listen {
  const [, host = "127.0.0.1", digits = ""] = /^(?:(.+):)?(\d+)$/.exec(text) ?? [];
  const port = Number(digits);
  if (digits === "" || port > 65_535)
    throw new InvalidArgumentError("expected PORT or ADDRESS:PORT");
  return { host, port };
}

function readToken(file: string): string {
  try {
    return readFileSync(file, "utf8").trim();
  } catch (error) {
    throw new InvalidArgumentError(
      `can't be read (${(error as NodeJS.ErrnoException).code ?? ""})`,
    );
  }
}

function readPatience(text: string): number {
  const factor = Number(text);
  if (!(factor >= 1 && factor <= 100))
    throw new InvalidArgumentError("expected a number from 1 to 100");
  return factor;
}
