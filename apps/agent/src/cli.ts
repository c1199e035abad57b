import { Command, CommanderError, Option } from "commander";
import pkg from "../package.json" with { type: "json" };
import { DEFAULT_STATUS_SOCKET } from "./config/schema.ts";

/** What the command line asks for. */
export type Invocation =
  | Readonly<{ kind: "run"; configFile: string; record: string | null }>
  | Readonly<{ kind: "status"; socket: string; isJson: boolean }>
  /** Help, the version, or a mistake: it is printed already, only the exit code is left. */
  | Readonly<{ kind: "done"; exitCode: number }>;

/** Wrong use of the command line, as for a wrong configuration. */
export const EXIT_USAGE = 2;

/** Reads the arguments. Prints help and mistakes itself. */
export function readInvocation(args: readonly string[]): Invocation {
  let invocation: Invocation = { kind: "done", exitCode: EXIT_USAGE };
  const program = new Command("selfscale-agent")
    .description("Gives the virtual machines of this node the size they ask for, while they run.")
    .version(pkg.version)
    .addOption(new Option("--config <file>", "YAML file: the node, its VMs and their bounds"))
    .option("--record <file>", "write down every frame, of all VMs (docs/recording.md)")
    .exitOverride()
    .allowExcessArguments()
    .action(({ config = "", record }: { config?: string; record?: string }) => {
      const [word] = program.args;
      if (word !== undefined) program.error(`error: unknown command '${word}', expected status`);
      if (config === "") program.error("error: --config FILE is missing (see --help)");
      if (record === "") program.error("error: --record FILE names no file");
      invocation = { kind: "run", configFile: config, record: record ?? null };
    });
  program
    .command("status")
    .description("show what the running agent knows: desired, permit, requested, actual, and why")
    .option("--json", "everything, as JSON")
    .option("--socket <path>", "the agent's socket", DEFAULT_STATUS_SOCKET)
    .exitOverride()
    .action(({ json, socket }: { json?: true; socket: string }) => {
      invocation = { kind: "status", socket, isJson: json ?? false };
    });
  try {
    program.parse([...args], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return { kind: "done", exitCode: error.exitCode === 0 ? 0 : EXIT_USAGE };
  }
  return invocation;
}
