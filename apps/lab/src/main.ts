import { readInvocation } from "./cli.ts";
import { conformAgent } from "./conform/conform-agent.ts";
import { conformMonitor } from "./conform/conform-monitor.ts";

async function main(): Promise<number> {
  const invocation = readInvocation(process.argv.slice(2));
  switch (invocation.kind) {
    case "done":
      return invocation.exitCode;
    case "conform-monitor":
      return await conformMonitor(invocation.url, invocation.options);
    case "conform-agent":
      return await conformAgent(invocation, invocation.options);
    default:
      return invocation satisfies never;
  }
}

// What rejects here is our own mistake: node prints it with its stack and exits with 1.
void main().then((exitCode) => {
  process.exitCode = exitCode;
});
