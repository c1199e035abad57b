// Puts together what is known of one VM at the end of a story.
import { type Seat, type Tally } from "../seat.ts";
import { type Ending } from "./convergence.ts";

/** The last part of the healthy phase, in which nothing should happen. */
export const QUIET_MS = 20_000;

/** What had been counted when it began. */
export type QuietStart = Readonly<{ tally: Tally; oomKills: number; memBytes: number }>;

export function endingOf(seat: Seat, before: QuietStart, after: Tally, now: number): Ending {
  const { book, machine, plan, bounds } = seat;
  const { guest } = machine;
  const steady = book?.steadyWish ?? null;
  return {
    plan,
    bounds,
    truth: { milliCpu: machine.milliCpu, memBytes: machine.memBytes },
    onlineCpus: guest.online,
    wish: steady?.size ?? null,
    wishedForMs: steady === null ? 0 : now - steady.since,
    isUrgent: book?.isUrgent ?? false,
    version: book?.version ?? 0,
    view: book?.view ?? null,
    isRefused: book?.isRefused ?? { mem: false, cpu: false },
    isLinkUp: book?.isUp ?? false,
    heardMsAgo: now - (book?.heardAt ?? -Infinity),
    quiet: {
      ms: QUIET_MS,
      told: after.told - before.tally.told,
      isStill: after.told === before.tally.told && machine.memBytes === before.memBytes,
      frames: after.frames - before.tally.frames,
      agentTicks: after.agentTicks - before.tally.agentTicks,
      monitorTicks: after.monitorTicks - before.tally.monitorTicks,
    },
    isFed: guest.isFed,
    needMilli: guest.need.milliCpu,
    needBytes: guest.need.anonBytes,
    oomKills: guest.oomKills - before.oomKills,
  };
}
