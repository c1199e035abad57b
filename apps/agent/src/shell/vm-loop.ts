// One VM's loop: the machine in packages/core decides, the world it is given does. Nothing here
// knows sizes.
import {
  stepVm,
  vmWakeAt,
  type MonoMs,
  type VmAction,
  type VmEvent,
  type VmState,
} from "@selfscale/core";

/** Everything impure the loop needs. Production passes sockets; a test may pass a script. */
export interface World {
  now(): MonoMs;
  /** The next event, or a tick once `deadline` passes. Rejects only when `signal` aborts. */
  nextEvent(deadline: MonoMs | null, signal: AbortSignal): Promise<VmEvent>;
  /** Starts the action and returns. Its outcome, good or bad, comes back later as an event. */
  perform(action: VmAction): void;
}

export type Step = Readonly<{ now: MonoMs; event: VmEvent; actions: readonly VmAction[] }>;

/** Told of each step, after the machine took it and before its actions begin. */
export type Witness = Readonly<{
  /** An event came; the machine has not seen it yet. */
  saw: (event: VmEvent, now: MonoMs) => void;
  stepped: (step: Step, state: VmState) => void;
}>;

/** Runs until `signal` aborts. Rejects when the machine finds an invariant broken: our mistake. */
export async function runVm(
  world: World,
  initial: VmState,
  witness: Witness,
  signal: AbortSignal,
  step: typeof stepVm = stepVm,
): Promise<void> {
  let state = initial;
  while (!signal.aborted) {
    const event = await world.nextEvent(vmWakeAt(state), signal);
    const now = world.now();
    witness.saw(event, now);
    const [after, actions] = step(state, event, now);
    state = after;
    witness.stepped({ now, event, actions }, after);
    for (const action of actions) world.perform(action);
  }
}
