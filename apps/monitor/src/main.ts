import { type Command, readCommand } from "./cli.ts";
import { describeConfig } from "./commands/check-config.ts";
import { reserve } from "./commands/reserve.ts";
import { type ReserveOptions } from "./commands/reserve-options.ts";
import { type Config, loadConfig } from "./config/load.ts";
import { ConfigError } from "./config/problem.ts";
import { fetchText } from "./local-api/client.ts";
import { createLog } from "./log.ts";
import { keepHeapSmall } from "./machine/heap.ts";
import { protectSelf } from "./machine/protect.ts";
import { Monitor } from "./monitor.ts";
import { type SqlOptions } from "./postgres/install/command.ts";
import { formatStatus, type Status } from "./shell/status.ts";

/** Exit codes: 1 the world said no, 2 we were told something wrong. */
const FAILED = 1;
const MISUSED = 2;

// Not awaited at the top: the bundle is CommonJS.
main(readCommand(process.argv.slice(2))).catch((error: unknown) => {
  fail((error as Error).message, isMisuse(error) ? MISUSED : FAILED);
});

async function main(command: Command): Promise<void> {
  if (command.kind === "print") process.stdout.write(command.text);
  else if (command.kind === "mistake") fail(command.problem, MISUSED);
  else if (command.kind === "status") await showStatus(command.socketPath, command.isJson);
  else if (command.kind === "explain") await showExplanation(command.socketPath, command.isJson);
  else if (command.kind === "reserve") await runReserved(command.options);
  else if (command.kind === "check-config") await checkConfig(command.configFile);
  else if (command.kind === "sql") process.exitCode = await sql(command.options);
  else await run(await loadConfig(command.configFile, command.settings));
}

async function run(config: Config): Promise<void> {
  keepHeapSmall();
  const log = createLog(config.logLevel);
  const roots = { proc: "/proc", sys: "/sys" };
  for (const problem of protectSelf(roots.proc)) log.warn(`can't protect myself: ${problem}`);
  const monitor = new Monitor(config, { roots, log, onCrash: () => process.exit(FAILED) });
  const stop = (signal: string) => {
    log.info({ signal }, "stopping");
    // A second signal finds no handler, and ends the process at once.
    void monitor.stop().then(() => process.exit(0));
  };
  process.once("SIGTERM", stop);
  process.once("SIGINT", stop);
  await monitor.start();
}

async function checkConfig(file: string): Promise<void> {
  const config = await loadConfig(file, {});
  process.stdout.write(`${describeConfig(file, config).join("\n")}\n`);
}

async function showStatus(socketPath: string, isJson: boolean): Promise<void> {
  const text = await fetchText(socketPath, "/status");
  process.stdout.write(isJson ? text : formatStatus(JSON.parse(text) as Status));
}

async function showExplanation(socketPath: string, isJson: boolean): Promise<void> {
  const text = await fetchText(socketPath, "/explain");
  const { explanation } = JSON.parse(text) as { explanation: readonly string[] };
  process.stdout.write(isJson ? text : `${explanation.join("\n")}\n`);
}

async function runReserved(options: ReserveOptions): Promise<void> {
  const say = (line: string) => void process.stderr.write(`selfscale-monitor: ${line}\n`);
  process.exitCode = await reserve(options, say);
}

/** Loaded only for this command: the monitor itself never installs anything. */
async function sql(options: SqlOptions): Promise<number> {
  const { runSql } = await import("./postgres/install/run.ts");
  return await runSql(options, (line) => void process.stdout.write(`${line}\n`));
}

/** By its code: the recorder's class is not loaded for those who record nothing. */
function isMisuse(error: unknown): boolean {
  if (error instanceof ConfigError) return true;
  return (error as NodeJS.ErrnoException).code === "RECORDING_REFUSED";
}

function fail(problem: string, code: number): void {
  process.stderr.write(`selfscale-monitor: ${problem}\n`);
  process.exitCode = code;
}
