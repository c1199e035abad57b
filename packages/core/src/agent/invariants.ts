// What must hold after every step. A failure is our mistake: the VM's loop dies with its last events and starts anew.
import { decodeFromAgent } from "@selfscale/protocol";
import { actualOf, requestedMemOf } from "./actual.ts";
import { boundsOnGrid, gridOf } from "./grid.ts";
import { type VmAction } from "./types.ts";
import { type VmState } from "./vm-state.ts";

export function assertInvariants(state: VmState, actions: readonly VmAction[]): void {
  for (const action of actions) {
    if (isResize(action)) {
      const isSettling = action.kind === "set-memory" && state.memory.kind === "settling";
      assert(
        state.operatorPaused === null || isSettling,
        "while the operator holds the size, QEMU is told nothing but to settle",
      );
    }
    if (action.kind === "set-memory") assertMemoryCommand(state, action.requestedBytes);
    if (action.kind === "set-quota") {
      assert(state.spec.hasQuota, "a quota is written only where there is a cgroup");
      assert(action.milliCpu > 0, "a quota is never zero");
    }
    if (action.kind === "send-frame") assertTruthful(state, action.text);
  }
}

function isResize({ kind }: VmAction): boolean {
  return kind === "set-memory" || kind === "set-quota" || kind === "plug-cpu";
}

/** Invariants 1 and 3: within the bounds or towards them; at most one slice below actual. */
function assertMemoryCommand(state: VmState, requestedBytes: number): void {
  const { facts } = state;
  const device = facts?.memoryDevice ?? null;
  assert(facts !== null && device !== null, "memory is only told to a device that is there");
  assert(requestedBytes % device.blockBytes === 0, "requested-size is whole blocks");
  assert(
    requestedBytes >= 0 && requestedBytes <= device.maxBytes,
    "requested-size fits the device",
  );
  const total = facts.baseMemBytes + requestedBytes;
  const actual = actualOf(facts).memBytes;
  const max = boundsOnGrid(state.spec.bounds, gridOf(facts, state.spec.hasQuota)).max.memBytes;
  const before = Math.max(actual, requestedMemOf(facts));
  assert(total <= Math.max(max, before), "requested never moves away from bounds.max");
  assert(total >= actual - state.sliceBytes, "requested is at most one slice below actual");
  const isShrink = total < actual;
  assert(!isShrink || state.memory.kind === "shrinking", "unplugging needs a consent in hand");
}

/** Invariant 4: no UpscaleNotification for memory that is not there. */
function assertTruthful(state: VmState, text: string): void {
  if (!text.includes('"UpscaleNotification"')) return;
  const frame = decodeFromAgent(text);
  assert(frame.ok && frame.message.type === "UpscaleNotification", "our own frames decode");
  const actual = state.facts === null ? 0 : actualOf(state.facts).memBytes;
  assert(frame.message.content.granted.mem <= actual, "memory notified is memory plugged");
}

function assert(truth: boolean, message: string): asserts truth {
  if (!truth) throw new Error(`invariant broken: ${message}`);
}
