// What keeps the machine from being as large as somebody reserved, now, in words.
import { sayCpu, sayMem } from "../../agent/explain.ts";
import { type MonitorState } from "../state.ts";
import { type Obstacle } from "./state.ts";

const IN_WORDS: Readonly<Record<string, string>> = {
  paused: "QEMU is paused, or the operator holds the size",
  stuck: "the machine refuses to move",
  "no-memory-device": "the machine has no memory that could be plugged",
};

/** Always something: at the least, that it is on its way. */
export function obstacleOf(state: MonitorState): Obstacle {
  const { session } = state;
  if (state.memoryNeed === null || state.cpuSample === null) {
    return { reason: "no-measurements", text: "nothing is measured yet" };
  }
  if (session === null) {
    return { reason: "no-agent", text: "no agent is connected that could make the machine larger" };
  }
  const { report } = session;
  if (report?.reason === "node-full") {
    const permit = `${sayCpu(report.permit.milliCpu)}, ${sayMem(report.permit.memBytes)}`;
    return { reason: "node-full", text: `the node is full and permits ${permit}` };
  }
  const word = IN_WORDS[report?.reason ?? ""];
  if (word !== undefined) return { reason: "agent", text: `the agent says: ${word}` };
  return { reason: "growing", text: "it was asked for and is on its way" };
}
