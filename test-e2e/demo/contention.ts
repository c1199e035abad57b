// `make demo ARGS=--three`: three VMs contend for one node, seen as an operator sees them: `status`, `explain` and the
// metrics of the agent, at the moments that matter.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { AGENT_BUNDLE } from "../harness/agent-process.ts";
import { Contention, NODE_MIB, OVERHEAD_MIB, ROOM_MIB, WEIGHTS } from "../harness/contention.ts";
import { guestView } from "../harness/guest-view.ts";

const run = promisify(execFile);
/** Lines of /metrics that the story is about. */
const TOLD_METRICS = /^selfscale_(node_.*bytes|vm_memory_bytes.*(desired|share|actual)|vm_waiting)/;

/** Resolves with what went wrong; empty when nothing did. */
export async function runContention(): Promise<string[]> {
  console.log("selfscale demo: three VMs, one node.");
  console.log(
    `Each may have 512 to 2560 MiB; the node has ${NODE_MIB} MiB, so ${ROOM_MIB} beside ${OVERHEAD_MIB} of overhead per VM.`,
  );
  const weights = Object.entries(WEIGHTS).map(([name, weight]) => `${name} ${weight}`);
  console.log(`Weights: ${weights.join(", ")}. Starting three guests ...`);
  const contention = await Contention.start({ http: "127.0.0.1:0" });
  const startedAt = performance.now();
  const say = (what: string) => {
    const seconds = (performance.now() - startedAt) / 1000;
    console.log(`\n== ${seconds.toFixed(0)} s: ${what}`);
  };
  try {
    const before = await kills(contention);
    await contention.atRest();
    say("all three are at rest");
    await show(contention, ["status"]);

    await contention.lend();
    say("bronze took 1300 MiB for a moment; nobody else wants what it got, so it keeps it");
    await show(contention, ["status"]);

    const contendAt = performance.now();
    contention.contend();
    await contention.waiting();
    say("gold and silver need more than is free, and wait");
    await show(contention, ["status"], ["explain", "gold"], ["explain", "bronze"]);

    await contention.shared();
    const tookS = (performance.now() - contendAt) / 1000;
    say(
      `bronze was asked, agreed and gave back: each has its share by weight, after ${tookS.toFixed(0)} s`,
    );
    await show(contention, ["status"], ["explain", "silver"], ["explain", "bronze"]);
    await showMetrics(contention);

    const killed = (await kills(contention)) - before;
    return killed === 0 ? [] : [`${killed} process(es) were killed for lack of memory`];
  } finally {
    await contention.stop();
  }
}

/** What the agent's own commands print. */
async function show(
  contention: Contention,
  ...commands: readonly (readonly string[])[]
): Promise<void> {
  for (const words of commands) {
    console.log(`$ selfscale-agent ${words.join(" ")}`);
    const socket = String(contention.agent.config["socket"]);
    const args = [AGENT_BUNDLE, ...words, "--socket", socket];
    const { stdout } = await run(process.execPath, args);
    console.log(stdout.trimEnd());
    console.log("");
  }
}

async function showMetrics(contention: Contention): Promise<void> {
  const address = await contention.agent.httpAddress();
  console.log(`$ curl -s http://${address}/metrics | grep ...`);
  const page = await (await fetch(`http://${address}/metrics`)).text();
  console.log(
    page
      .split("\n")
      .filter((line) => TOLD_METRICS.test(line))
      .join("\n"),
  );
}

async function kills(contention: Contention): Promise<number> {
  let sum = 0;
  for (const guest of contention.stack.guests) sum += (await guestView(guest)).oomKills;
  return sum;
}
