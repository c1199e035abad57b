// Sizes that were told to QEMU or the kernel and are not in the facts yet: they are held already, and nothing is taken
// before they are known to have arrived.
import { type MonoMs, type VmAction } from "./types.ts";
import { type Told, type VmState } from "./vm-state.ts";

/** The commands of one step are on their way. */
export function noteTold(state: VmState, actions: readonly VmAction[], now: MonoMs): VmState {
  const told = (attempt: number, amount: number): Told => {
    return { attempt, amount, at: now, looksLeft: null };
  };
  const base = state.facts?.baseMemBytes ?? 0;
  const memory: Told[] = [];
  const cpu: Told[] = [];
  for (const action of actions) {
    if (action.kind === "set-memory") {
      memory.push(told(action.attempt, base + action.requestedBytes));
    } else if (action.kind === "set-quota") {
      cpu.push(told(action.attempt, action.milliCpu));
    } else if (action.kind === "plug-cpu") {
      // Where there is a quota, it decides how much CPU a plugged vCPU is.
      cpu.push(told(action.attempt, state.spec.hasQuota ? 0 : action.vcpus * 1000));
    }
  }
  if (memory.length + cpu.length === 0) return state;
  return {
    ...state,
    told: { memory: [...state.told.memory, ...memory], cpu: [...state.told.cpu, ...cpu] },
  };
}

/**
 * A command was answered, or given up, and then nobody knows whether it was taken. What may have been
 * is in the facts after the next look that begins now.
 */
export function noteAnswered(state: VmState, attempt: number, mayBeTaken: boolean): VmState {
  // A look that is on its way may have begun before.
  const looksLeft = mayBeTaken ? (state.observeAskedAt === null ? 1 : 2) : 0;
  const answer = (list: readonly Told[]): readonly Told[] => {
    const index = list.findIndex((one) => one.attempt === attempt && one.looksLeft === null);
    if (index < 0) return list;
    return list.flatMap((one, other) => {
      if (other !== index) return [one];
      return looksLeft === 0 ? [] : [{ ...one, looksLeft }];
    });
  };
  return { ...state, told: { memory: answer(state.told.memory), cpu: answer(state.told.cpu) } };
}

/** Commands that nobody answers are given up: the facts show what became of them. */
export function noteLost(
  state: VmState,
  now: MonoMs,
): Readonly<{ state: VmState; attempts: readonly number[] }> {
  const isLost = ({ at, looksLeft }: Told) =>
    looksLeft === null && now >= at + state.timers.commandMs;
  const { memory, cpu } = state.told;
  const attempts = [...memory, ...cpu].filter(isLost).map(({ attempt }) => attempt);
  if (attempts.length === 0) return { state, attempts };
  const looksLeft = state.observeAskedAt === null ? 1 : 2;
  const lose = (list: readonly Told[]) =>
    list.map((one) => (isLost(one) ? { ...one, looksLeft } : one));
  return { state: { ...state, told: { memory: lose(memory), cpu: lose(cpu) } }, attempts };
}

/** The facts were read once more. */
export function noteLooked(state: VmState): VmState {
  const { memory, cpu } = state.told;
  if (memory.length + cpu.length === 0) return state;
  const look = (list: readonly Told[]): readonly Told[] =>
    list.flatMap((one) => {
      if (one.looksLeft === null) return [one];
      return one.looksLeft <= 1 ? [] : [{ ...one, looksLeft: one.looksLeft - 1 }];
    });
  return { ...state, told: { memory: look(memory), cpu: look(cpu) } };
}

/** The most that was told and may arrive yet; 0 for nothing. */
export function mostTold(list: readonly Told[]): number {
  return list.reduce((most, { amount }) => Math.max(most, amount), 0);
}
