import { RecordingRefusedError } from "@selfscale/recording";
import { runAgent } from "./agent.ts";
import { EXIT_USAGE, readInvocation } from "./cli.ts";
import { checkConfig } from "./config/check-config.ts";
import { loadConfig } from "./config/load.ts";
import { ConfigError } from "./config/problem.ts";
import { HttpAddressError } from "./http/http-server.ts";
import { ControlError } from "./control/client.ts";
import { carryOut } from "./control/commands.ts";
import { ControlSocketError } from "./control/server.ts";
import { replayFile } from "./journal/replay-file.ts";
import { TraceError } from "./journal/replay.ts";
import { createLog } from "./log.ts";

const EXIT_FAILED = 1;

async function main(): Promise<number> {
  const invocation = readInvocation(process.argv.slice(2));
  switch (invocation.kind) {
    case "done":
      return invocation.exitCode;
    case "run":
      return run(invocation.configFile, invocation.record);
    case "check-config":
      process.stdout.write(checkConfig(invocation.configFile));
      return 0;
    case "replay": {
      const { isSame, text } = replayFile(invocation.traceFile);
      process.stdout.write(text);
      return isSame ? 0 : EXIT_FAILED;
    }
    case "ask":
      await carryOut(invocation.socket, invocation.order);
      return 0;
    default:
      return invocation satisfies never;
  }
}

async function run(configFile: string, record: string | null): Promise<number> {
  const stop = new AbortController();
  // Once: a second signal ends the process at once, as it would any other.
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => stop.abort());
  const config = loadConfig(configFile);
  const log = createLog(config.logLevel);
  await runAgent(config, log, { configFile, record, signal: stop.signal });
  return 0;
}

/** What an operator can set right and is told in one line, with the exit code. */
const OPERATORS = [
  [ConfigError, EXIT_USAGE],
  [ControlSocketError, EXIT_USAGE],
  [HttpAddressError, EXIT_USAGE],
  [RecordingRefusedError, EXIT_USAGE],
  [TraceError, EXIT_USAGE],
  [ControlError, EXIT_FAILED],
] as const;

// What else rejects is our own mistake: node prints it with its stack and exits with 1.
void main()
  .catch((error: unknown) => {
    const known = OPERATORS.find(([kind]) => error instanceof kind);
    if (known === undefined) throw error;
    process.stderr.write(`selfscale-agent: ${(error as Error).message}\n`);
    return known[1];
  })
  .then((exitCode) => {
    process.exitCode = exitCode;
  });
