import { readInvocation } from "./cli.ts";
import { conformAgent } from "./conform/conform-agent.ts";
import { AGENT_CHECKS } from "./conform/agent-checks.ts";
import { conformMonitor } from "./conform/conform-monitor.ts";
import { MONITOR_CHECKS } from "./conform/monitor-checks.ts";
import { showChecks } from "./conform/report.ts";
import { record } from "./record/command.ts";
import { chart } from "./replay/chart/command.ts";
import { clairvoyant } from "./replay/clairvoyant.ts";
import { replay } from "./replay/commands.ts";
import { compare } from "./replay/compare.ts";
import { serveTasks } from "./replay/pool.ts";
import { world } from "./world/command.ts";
import { transcript } from "./transcript/command.ts";

async function main(): Promise<number> {
  const invocation = readInvocation(process.argv.slice(2));
  switch (invocation.kind) {
    case "done":
      return invocation.exitCode;
    case "list-checks": {
      const checks = invocation.side === "monitor" ? MONITOR_CHECKS : AGENT_CHECKS;
      process.stdout.write(showChecks(checks));
      return 0;
    }
    case "conform-monitor":
      return await conformMonitor(invocation.url, invocation.options);
    case "conform-agent":
      return await conformAgent(invocation, invocation.options);
    case "transcript":
      return transcript(invocation.file, invocation.options);
    case "replay":
      return await replay(invocation.options);
    case "compare":
      return await compare(invocation.options, process.argv[1] ?? "");
    case "clairvoyant":
      return await clairvoyant(invocation.options);
    case "record":
      return await record(invocation.options);
    case "chart":
      return await chart(invocation.options);
    case "world":
      return world(invocation.options);
    default:
      return invocation satisfies never;
  }
}

// What rejects here is our own mistake: node prints it with its stack and exits with 1.
if (!serveTasks()) {
  void main().then((exitCode) => {
    process.exitCode = exitCode;
  });
}
