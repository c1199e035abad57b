import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import pkg from "../package.json" with { type: "json" };
import { parseBytes, parseMilliCpu } from "./config/quantities.ts";
import { DEFAULT_STATUS_SOCKET } from "./config/schema.ts";
import { DURATION_EXPECTED, parseDuration } from "./control/duration.ts";

/** What is asked of a running agent. Durations as written. */
export type Order =
  | Readonly<{ kind: "status"; isJson: boolean; isWatching: boolean }>
  | Readonly<{ kind: "explain"; vm: string; isJson: boolean }>
  | Readonly<{ kind: "pause"; vm: string; for: string | null }>
  | Readonly<{ kind: "resume"; vm: string }>
  | Readonly<{ kind: "set-size"; vm: string; body: Readonly<Record<string, string | true>> }>
  | Readonly<{ kind: "trace"; vm: string; last: string }>;

/** What the command line asks for. */
export type Invocation =
  | Readonly<{ kind: "run"; configFile: string; record: string | null }>
  | Readonly<{ kind: "check-config"; configFile: string }>
  | Readonly<{ kind: "replay"; traceFile: string }>
  | Readonly<{ kind: "ask"; socket: string; order: Order }>
  /** Help, the version, or a mistake: it is printed already, only the exit code is left. */
  | Readonly<{ kind: "done"; exitCode: number }>;

/** Wrong use of the command line, as for a wrong configuration. */
export const EXIT_USAGE = 2;

type Take = (invocation: Invocation) => void;

/** Reads the arguments. Prints help and mistakes itself. */
export function readInvocation(args: readonly string[]): Invocation {
  let invocation: Invocation = { kind: "done", exitCode: EXIT_USAGE };
  const take: Take = (found) => (invocation = found);
  const program = new Command("selfscale-agent")
    .description("Gives the virtual machines of this node the size they ask for, while they run.")
    .version(pkg.version)
    .addOption(new Option("--config <file>", "YAML file: the node, its VMs and their bounds"))
    .option("--record <file>", "write down every frame, of all VMs (docs/recording.md)")
    .addHelpText(
      "after",
      "\nExit codes: 0 done, 1 failed or no agent answers, 2 wrong use or file.",
    )
    .exitOverride()
    .allowExcessArguments()
    .action(({ config = "", record }: { config?: string; record?: string }) => {
      const [word] = program.args;
      const known = program.commands.map((command) => command.name()).join(", ");
      if (word !== undefined) program.error(`error: unknown command '${word}', expected ${known}`);
      if (config === "") program.error("error: --config FILE is missing (see --help)");
      if (record === "") program.error("error: --record FILE names no file");
      take({ kind: "run", configFile: config, record: record ?? null });
    });
  addStatus(program, take);
  addExplain(program, take);
  addOrders(program, take);
  addSetSize(program, take);
  addTrace(program, take);
  addFiles(program, take);
  try {
    program.parse([...args], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return { kind: "done", exitCode: error.exitCode === 0 ? 0 : EXIT_USAGE };
  }
  return invocation;
}

/** A command to the running agent. */
function asking(program: Command, name: string, description: string): Command {
  return program
    .command(name)
    .description(description)
    .option("--socket <path>", "the agent's socket", DEFAULT_STATUS_SOCKET)
    .exitOverride();
}

type Asked = Readonly<{ socket: string }>;

function addStatus(program: Command, take: Take): void {
  const what = "show what the running agent knows: desired, permit, requested, actual, and why";
  asking(program, "status", what)
    .option("--json", "everything, as JSON")
    .option("--watch", "again every second: redrawn on a terminal, else each change below the last")
    .action(({ socket, json, watch }: Asked & { json?: true; watch?: true }) => {
      const order = { kind: "status", isJson: json ?? false, isWatching: watch ?? false } as const;
      take({ kind: "ask", socket, order });
    });
}

function addExplain(program: Command, take: Take): void {
  asking(
    program,
    "explain",
    "why a VM has its size: what it wants, what binds, what would change it",
  )
    .argument("<vm>", "its name in the configuration")
    .option("--json", "as JSON")
    .action((vm: string, { socket, json }: Asked & { json?: true }) => {
      take({ kind: "ask", socket, order: { kind: "explain", vm, isJson: json ?? false } });
    });
}

function addOrders(program: Command, take: Take): void {
  asking(program, "pause", "hold a VM's size: nothing grows or shrinks until it is resumed")
    .argument("<vm>", "its name in the configuration")
    .option("--for <duration>", "end by itself after this long, as in 10m", duration)
    .addHelpText("after", "\nA restart of the agent ends it too.")
    .action((vm: string, { socket, ...given }: Asked & { for?: string }) => {
      take({ kind: "ask", socket, order: { kind: "pause", vm, for: given.for ?? null } });
    });
  asking(program, "resume", "end a pause: the size last asked for counts again")
    .argument("<vm>", "its name in the configuration")
    .action((vm: string, { socket }: Asked) => {
      take({ kind: "ask", socket, order: { kind: "resume", vm } });
    });
}

function addSetSize(program: Command, take: Take): void {
  type Given = Asked & { cpu?: string; mem?: string; for: string; clear?: true };
  const command = asking(program, "set-size", "keep a VM at least so large for a while (a floor)")
    .argument("<vm>", "its name in the configuration")
    .option("--cpu <n>", "vCPUs, as in 2 or 500m", checked(parseMilliCpu, "vCPUs (2, 0.5, 500m)"))
    .option("--mem <size>", "memory, as in 2Gi", checked(parseBytes, "a size (512Mi, 1.5Gi)"))
    .option("--for <duration>", "how long it holds", duration, "1h")
    .option("--clear", "end the floor that is set")
    .addHelpText("after", "\nClamped to the VM's bounds, and permitted by the node as any growth.");
  command.action((vm: string, { socket, cpu, mem, clear, ...given }: Given) => {
    const size = { ...(cpu === undefined ? {} : { cpu }), ...(mem === undefined ? {} : { mem }) };
    const isEmpty = Object.keys(size).length === 0;
    if (clear === true && !isEmpty) command.error("error: --clear goes without --cpu and --mem");
    if (clear !== true && isEmpty) command.error("error: name --cpu, --mem or both, or --clear");
    const body = clear === true ? { clear } : { ...size, for: given.for };
    take({ kind: "ask", socket, order: { kind: "set-size", vm, body } });
  });
}

function addTrace(program: Command, take: Take): void {
  asking(program, "trace", "print a VM's last events as JSON lines, which replay can step through")
    .argument("<vm>", "its name in the configuration")
    .option("--last <duration>", "how far back", duration, "10m")
    .action((vm: string, { socket, last }: Asked & { last: string }) => {
      take({ kind: "ask", socket, order: { kind: "trace", vm, last } });
    });
}

function addFiles(program: Command, take: Take): void {
  program
    .command("check-config")
    .description("read a configuration and say what it would do, or what is wrong with it")
    .argument("<file>", "YAML file")
    .exitOverride()
    .action((configFile: string) => take({ kind: "check-config", configFile }));
  program
    .command("replay")
    .description("step through a trace again and compare: does this release decide the same?")
    .argument("<file>", "what trace printed")
    .exitOverride()
    .action((traceFile: string) => take({ kind: "replay", traceFile }));
}

function duration(text: string): string {
  if (parseDuration(text) === null)
    throw new InvalidArgumentError(`Expected ${DURATION_EXPECTED}.`);
  return text;
}

function checked(parse: (text: string) => number | null, expected: string) {
  return (text: string): string => {
    if ((parse(text) ?? 0) > 0) return text;
    throw new InvalidArgumentError(`Expected ${expected}, above zero.`);
  };
}
