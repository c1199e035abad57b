import { RecordingRefusedError } from "@selfscale/recording";
import { runAgent } from "./agent.ts";
import { EXIT_USAGE, readInvocation } from "./cli.ts";
import { loadConfig } from "./config/load.ts";
import { ConfigError } from "./config/problem.ts";
import { HttpAddressError } from "./http/http-server.ts";
import { createLog } from "./log.ts";
import { type FleetStatus } from "./shell/fleet.ts";
import { fetchStatus, StatusSocketError } from "./shell/status-server.ts";
import { statusTable } from "./status-table.ts";

async function main(): Promise<number> {
  const invocation = readInvocation(process.argv.slice(2));
  switch (invocation.kind) {
    case "done":
      return invocation.exitCode;
    case "status":
      return showStatus(invocation.socket, invocation.isJson);
    case "run":
      return run(invocation.configFile, invocation.record);
    default:
      return invocation satisfies never;
  }
}

/** What an operator can set right, and is told in one line. */
const OPERATORS = [ConfigError, HttpAddressError, StatusSocketError, RecordingRefusedError];

async function run(configFile: string, record: string | null): Promise<number> {
  const stop = new AbortController();
  // Once: a second signal ends the process at once, as it would any other.
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => stop.abort());
  try {
    const config = loadConfig(configFile);
    await runAgent(config, createLog(config.logLevel), { record, signal: stop.signal });
    return 0;
  } catch (error) {
    if (!OPERATORS.some((kind) => error instanceof kind)) throw error;
    process.stderr.write(`selfscale-agent: ${(error as Error).message}\n`);
    return EXIT_USAGE;
  }
}

async function showStatus(socket: string, isJson: boolean): Promise<number> {
  try {
    const json = await fetchStatus(socket);
    process.stdout.write(isJson ? `${json}\n` : statusTable(JSON.parse(json) as FleetStatus));
    return 0;
  } catch (error) {
    const problem = (error as NodeJS.ErrnoException).code ?? String(error);
    process.stderr.write(`selfscale-agent: no agent answers on ${socket} (${problem})\n`);
    return 1;
  }
}

// What rejects here is our own mistake: node prints it with its stack and exits with 1.
void main().then((exitCode) => {
  process.exitCode = exitCode;
});
