// Guests and an agent for one measurement, ended whatever happens.
import { Stack, type StackOptions } from "../harness/stack.ts";
import { MIB } from "../harness/truth.ts";
import { until } from "../harness/until.ts";

/** Where the bench puts the monitor's configuration in a guest. */
const CONFIG_IN_GUEST = "/run/selfscale/bench.yaml";
const BASE_BYTES = 512 * MIB;
const AT_REST_WITHIN_MS = 120_000;

/** Runs `measure` with these guests under one agent; all are gone when it returns or throws. */
export async function withStack<T>(
  options: StackOptions,
  measure: (stack: Stack) => Promise<T>,
): Promise<T> {
  const stack = await Stack.start(options);
  const { pid } = stack.agent;
  // QEMU ends with its parent by itself; the agent is a child like any other.
  const endAgent = () => void process.kill(pid, "SIGKILL");
  process.once("exit", endAgent);
  try {
    for (const index of stack.guests.keys()) await untilAtRest(stack, index);
    return await measure(stack);
  } finally {
    await stack.stop();
    process.removeListener("exit", endAgent);
  }
}

/** The VM has its smallest size, and nobody wants another one. */
export async function untilAtRest(stack: Stack, index = 0): Promise<void> {
  await until(
    "the VM is at rest",
    async () => {
      const [ladder, size] = [await stack.ladder(index), await stack.truths[index]?.size()];
      const isCalm =
        ladder.mode === "compute-controlled" && ladder.desired?.memBytes === BASE_BYTES;
      return isCalm && size?.memBytes === BASE_BYTES && size.requestedBytes === BASE_BYTES;
    },
    { withinMs: AT_REST_WITHIN_MS },
  );
}

/** Restarts a guest's monitor with these lines of YAML on top of the preset. */
export async function configureMonitor(stack: Stack, yaml: string): Promise<void> {
  const { code } = await stack.guest.exec(`cat >${CONFIG_IN_GUEST} <<'END'\n${yaml}\nEND`);
  if (code !== 0) throw new Error("the guest's monitor could not be configured");
  await stack.guest.restartMonitor(["--preset", "demo", "--config", CONFIG_IN_GUEST]);
}
