// Version 2's answer to DownscaleRequest: what it would agree to instead, each resource judged by itself.
import { type AgentPlayer, type WireSize } from "../agent-player.ts";
import { clip, demand, NotApplicable, type Check } from "../check.ts";
import { type MonitorSubject } from "../monitor-subject.ts";
import { type Frame } from "../wire.ts";
import { hearLevel, reportOf } from "./scaling.ts";
import { isReason, isWireSize, memLiteral } from "./scale-frames.ts";
import { STEP, TINY_MEM } from "./sizes.ts";

const FIELDS = ["type", "Ok", "Status", "reason", "lowest", "id"];
const OF_MEMORY = ["memory", "memory-emergency", "cache"];

export const consentChecks: readonly Check<MonitorSubject>[] = [
  {
    id: "v2/downscale-result",
    group: "version 2",
    rule: "DownscaleResult may add reason, a word of the list, and lowest, a size whose mem is an integer literal; and there is nothing else.",
    async run(monitor) {
      const { agent, size } = await reported(monitor);
      for (const target of [size, { ...size, mem: TINY_MEM }]) {
        const { json, text } = await agent.askToShrink(target);
        const { Ok, Status, reason, lowest } = json ?? {};
        const isRight = typeof Ok === "boolean" && typeof Status === "string";
        demand(isRight, `Ok or Status is of the wrong kind: ${clip(text)}`);
        demand(reason === undefined || isReason(reason), `its reason is unknown: ${clip(text)}`);
        demand(lowest === undefined || isWireSize(lowest), `lowest is no size: ${clip(text)}`);
        const isLiteral = lowest === undefined || /^\d+$/.test(memLiteral(text));
        demand(isLiteral, `mem is no integer literal: ${clip(text)}`);
        const unknown = Object.keys(json ?? {}).find((key) => !FIELDS.includes(key));
        demand(unknown === undefined, `version 2 has no field ${unknown ?? ""}: ${clip(text)}`);
      }
    },
  },
  {
    id: "v2/lowest-is-agreed",
    group: "version 2",
    rule: "lowest is what the monitor would agree to now: asked for at once, it is not refused.",
    async run(monitor) {
      const { agent, size } = await reported(monitor);
      // What is lowest may have risen by the time it is asked for, but not every time.
      for (let attempt = 1; ; attempt++) {
        const refusal = await refused(agent, { ...size, mem: TINY_MEM });
        const { lowest } = refusal.json ?? {};
        if (lowest === undefined) throw new NotApplicable("its refusals name no lowest");
        demand(isWireSize(lowest), `lowest is no size: ${clip(refusal.text)}`);
        // Fewer vCPUs are not asked for: the monitor might take them offline.
        const target = { cpu: Math.max(lowest.cpu, size.cpu), mem: lowest.mem };
        const result = await agent.askToShrink(target);
        if (result.json?.Ok === true) return;
        demand(attempt < 3, `its lowest was ${JSON.stringify(lowest)}, then ${clip(result.text)}`);
      }
    },
  },
  {
    id: "v2/cpu-by-itself",
    group: "version 2",
    rule: "Each resource is judged by itself: a target that lowers only CPU is not refused for memory.",
    async run(monitor) {
      const { agent, size } = await reported(monitor);
      await refused(agent, { ...size, mem: TINY_MEM });
      const result = await agent.askToShrink({ ...size, cpu: Math.floor(size.cpu) });
      const { Ok, reason } = result.json ?? {};
      const isForMemory = Ok === false && OF_MEMORY.includes(String(reason));
      demand(!isForMemory, `only CPU was lowered, and it was refused: ${clip(result.text)}`);
      if (Ok === false && reason === undefined) throw new NotApplicable("it gives no reason");
    },
  },
  {
    id: "v2/memory-by-itself",
    group: "version 2",
    rule: "Each resource is judged by itself: a target that lowers only memory is not refused for CPU.",
    async run(monitor) {
      const { agent, size } = await reported(monitor);
      const result = await refused(agent, { ...size, mem: TINY_MEM });
      const isForCpu = result.json?.reason === "cpu";
      demand(!isForCpu, `only memory was lowered, and it was refused: ${clip(result.text)}`);
    },
  },
];

/**
 * An agent that has told the size that the monitor wants, and a quarter of a vCPU above a whole number of them: what
 * can be lowered without that a monitor takes a CPU offline.
 */
async function reported(
  monitor: MonitorSubject,
): Promise<Readonly<{ agent: AgentPlayer; size: WireSize }>> {
  const { agent, level } = await hearLevel(monitor);
  const { cpu, mem } = level.target;
  const size = { cpu: Math.ceil(cpu) + STEP.cpu, mem };
  agent.tell("SizeReport", reportOf(size));
  return { agent, size };
}

async function refused(agent: AgentPlayer, target: WireSize): Promise<Frame> {
  const result = await agent.askToShrink(target);
  if (result.json?.Ok !== false) throw new NotApplicable("it agrees to any shrink");
  return result;
}
