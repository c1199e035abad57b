// A load in the guest that holds its memory until the test ends it.
import { type ExecResult, type Guest } from "./guest.ts";
import { MIB } from "./truth.ts";
import { until } from "./until.ts";

/** Longer than any test waits. */
const HOLD_S = 600;
/** 128 + SIGTERM: ended by the test. A load that was short of memory ends otherwise. */
export const ENDED_BY_TEST = 143;

export class Load {
  readonly #guest: Guest;
  readonly #result: Promise<ExecResult>;

  private constructor(guest: Guest, result: Promise<ExecResult>) {
    this.#guest = guest;
    this.#result = result;
    // A test that fails before it ends its load has said why already.
    this.#result.catch(() => undefined);
  }

  /** Resolves when the guest's kernel shows that it has its memory. */
  static async start(guest: Guest, mib: number, rateMBps: number): Promise<Load> {
    const before = await heldByLoads(guest);
    const command = `touch-loop --mib ${mib} --rate ${rateMBps} --hold ${HOLD_S}`;
    const load = new Load(guest, guest.exec(command, { timeoutMs: HOLD_S * 1000 }));
    const enough = before + mib * MIB;
    const isHeld = async () => (await heldByLoads(guest)) >= enough;
    await until(`a load holds ${mib} MiB`, isHeld, { everyMs: 500, withinMs: 120_000 });
    return load;
  }

  /** How it ended: 143 when it lived until now. */
  async end(): Promise<number> {
    await this.#guest.exec("pkill -TERM -x touch-loop");
    return (await this.#result).code;
  }
}

/** By processes: what the whole guest uses also moves with caches, and while memory is unplugged. */
async function heldByLoads(guest: Guest): Promise<number> {
  const { stdout } = await guest.exec(
    "for pid in $(pgrep -x touch-loop); do cat /proc/$pid/status; done",
  );
  const kibs = [...stdout.matchAll(/^RssAnon:\s+(\d+) kB$/gm)].map(([, kib]) => Number(kib));
  return kibs.reduce((sum, kib) => sum + kib * 1024, 0);
}
