import net from "node:net";
import { type QmpAddress } from "@selfscale/qmp";
import { mayStillListen } from "../hypervisor/listening.ts";

/** A QEMU that is there accepts at once. */
const PROBE_MS = 1_000;

export type DeparturesOptions = Readonly<{
  everyMs: number;
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
    this.#timer ??= setInterval(() => void this.#look(), this.#options.everyMs);
  }

  /** It is configured again. */
  forget(vm: string): void {
    this.#leaving.delete(vm);
    if (this.#leaving.size > 0) return;
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  stop(): void {
    for (const vm of [...this.#leaving.keys()]) this.forget(vm);
  }

  async #look(): Promise<void> {
    for (const [vm, address] of [...this.#leaving]) {
      if (!(await isGone(address)) || this.#leaving.get(vm) !== address) continue;
      this.forget(vm);
      this.#options.onGone(vm);
    }
  }
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
