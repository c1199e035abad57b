import net from "node:net";
import { isDeepStrictEqual } from "node:util";
import { type QmpAddress } from "@selfscale/qmp";
import { type VmConfig } from "../config/load.ts";
import { mayStillListen } from "../hypervisor/listening.ts";
import { type ShellTimers } from "./timers.ts";

/** A QEMU that is there accepts at once. */
const PROBE_MS = 1_000;

export type DeparturesOptions = Readonly<{
  /** How often to look is `capacityEveryMs`. */
  timers: ShellTimers;
  /** Its QEMU is known to have ended. */
  onGone: (vm: string) => void;
}>;

/**
 * VMs that were taken out of the configuration while they ran. Nobody sizes them any more, but what they hold is nobody
 * else's until their QEMU is gone: so that is looked for, now and then.
 */
export class Departures {
  readonly #options: DeparturesOptions;
  readonly #leaving = new Map<string, QmpAddress>();
  #timer: NodeJS.Timeout | null = null;

  constructor(options: DeparturesOptions) {
    this.#options = options;
  }

  /** From now on, until it is gone or forgotten. */
  watch(vm: string, address: QmpAddress): void {
    this.#leaving.set(vm, address);
    this.#schedule();
  }

  /** The name under which the VM at this address is leaving; null: none is. */
  nameAt(address: QmpAddress): string | null {
    const found = [...this.#leaving].find(([, leaving]) => isSameAddress(leaving, address));
    return found?.[0] ?? null;
  }

  /** It is configured again, perhaps under another name. */
  forget({ spec, qmp }: Pick<VmConfig, "spec" | "qmp">): void {
    this.#leaving.delete(spec.name);
    const name = this.nameAt(qmp);
    if (name !== null) this.#leaving.delete(name);
  }

  stop(): void {
    this.#leaving.clear();
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** The next look, after the one before it. */
  #schedule(): void {
    if (this.#leaving.size === 0 || this.#timer !== null) return;
    this.#timer = setTimeout(() => void this.#look(), this.#options.timers.capacityEveryMs);
  }

  async #look(): Promise<void> {
    for (const [vm, address] of [...this.#leaving]) {
      if (!(await isGone(address)) || this.#leaving.get(vm) !== address) continue;
      this.#leaving.delete(vm);
      this.#options.onGone(vm);
    }
    this.#timer = null;
    this.#schedule();
  }
}

export function isSameAddress(a: QmpAddress, b: QmpAddress): boolean {
  return isDeepStrictEqual(a, b);
}

/** The kernel's word that nothing listens there. Where it can't be asked, the VM counts as being there. */
async function isGone(address: QmpAddress): Promise<boolean> {
  const code = await probe(address);
  if (code === "ECONNREFUSED") return true;
  return code === "ENOENT" && !(await mayStillListen(address));
}

function probe(address: QmpAddress): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = net.connect(address.kind === "unix" ? { path: address.path } : address);
    const end = (code: string | null) => {
      socket.destroy();
      resolve(code);
    };
    socket.setTimeout(PROBE_MS, () => end(null));
    socket.on("connect", () => end(null));
    socket.on("error", (error: NodeJS.ErrnoException) => end(error.code ?? null));
  });
}
