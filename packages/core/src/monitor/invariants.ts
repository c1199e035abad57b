// What must hold after every step. A failure is our mistake: the loop dies with its last events and
// starts anew.
import { type MonitorState } from "./state.ts";
import { type MonitorAction } from "./types.ts";

const MIB = 1024 * 1024;

export function assertInvariants(state: MonitorState, actions: readonly MonitorAction[]): void {
  const { desired, session, cpuSample } = state;
  if (desired !== null) {
    assert(Number.isSafeInteger(desired.milliCpu), "desired CPU is whole milli-vCPUs");
    assert(Number.isSafeInteger(desired.memBytes), "desired memory is whole bytes");
    assert(desired.milliCpu > 0 && desired.memBytes > 0, "desired is a size");
  }
  assert(session === null || session.nextId % 2 === 1, "our ids are odd");
  for (const action of actions) {
    if (action.kind === "set-file-cache") {
      assert(action.bytes >= 0 && action.bytes % MIB === 0, "a file cache has whole MiB");
    }
    if (action.kind === "set-online-cpus") {
      assert(action.count >= 1, "one CPU at least stays online");
      assert(
        action.count <= (cpuSample?.value.presentCount ?? 1),
        "no CPU is used that is not there",
      );
    }
  }
}

function assert(holds: boolean, truth: string): asserts holds {
  if (!holds) throw new Error(`monitor invariant broken: ${truth}`);
}
