// What each fault does to the world when it begins and when it is over. What is only a manner (slow, refusing, partial) is
// not here but in Seat.refresh, which reads the faults that are active.
import { type Fault, type FaultKind } from "./story/faults.ts";
import { type Seat } from "./seat.ts";
import { type Clock } from "./clock.ts";

/** What a deed needs of the world. */
export type Hands = Readonly<{
  clock: Clock;
  killAgent: () => void;
  startAgent: () => void;
  restartAgent: () => void;
  stopAgent: () => void;
  continueAgent: () => void;
  breakQmp: (seat: Seat, problem: string) => void;
  intrude: (seat: Seat, fault: Fault) => void;
  setBounds: (seat: Seat, share: number) => void;
  setLeast: (seat: Seat, share: number) => void;
  setCapacity: (share: number, isRestarted: boolean) => void;
}>;

type Deed = Readonly<{
  begin?: (world: Hands, seat: Seat, fault: Fault) => void;
  end?: (world: Hands, seat: Seat, fault: Fault) => void;
}>;

/** From "it is being moved" to "it is gone", and from "it arrives" to "it runs". */
const MOVING_MS = 1_500;

/** A socket and a process go; what is open breaks. */
const DEEDS: Partial<Record<FaultKind, Deed>> = {
  "link-drop": { begin: (_world, { network }) => network.breakAll("ECONNRESET") },
  "link-half-open": { begin: (_world, { network }) => network.loseAll() },
  intruder: { begin: (world, seat, fault) => world.intrude(seat, fault) },
  "qmp-gone": { begin: (world, seat) => world.breakQmp(seat, "the connection was closed") },
  "guest-reset": {
    begin: (world, seat) => {
      if (!seat.machine.isThere) return;
      seat.network.loseAll();
      seat.unseat(false);
      seat.machine.reset(world.clock.now);
      world.clock.at(seat.machine.bootedAt, () => seat.refresh());
    },
  },
  "qemu-crash": {
    begin: (world, seat) => {
      seat.machine.advance(world.clock.now);
      seat.machine.isThere = false;
      seat.network.breakAll("ECONNRESET");
      seat.unseat(false);
      world.breakQmp(seat, "QEMU ended");
    },
    end: (world, seat, fault) => {
      if (seat.active("qemu-crash") !== null) return;
      seat.machine.boot(world.clock.now, seat.plan.hasQuota && fault.amount !== 1);
      world.clock.at(seat.machine.bootedAt, () => seat.refresh());
    },
  },
  migrated: {
    begin: ({ clock }, { machine }) => {
      machine.advance(clock.now);
      if (machine.runState !== "running") return;
      machine.runState = "finish-migrate";
      clock.after(MOVING_MS, () => {
        if (machine.runState === "finish-migrate") machine.runState = "postmigrate";
      });
    },
    end: (world, seat) => {
      const { machine } = seat;
      machine.advance(world.clock.now);
      if (seat.active("migrated") !== null || !machine.isThere) return;
      if (machine.runState === "running") return; // another QEMU was started meanwhile
      machine.arrive();
      world.breakQmp(seat, "QEMU ended");
      const arrived = machine.facts(world.clock.now).process;
      world.clock.after(MOVING_MS, () => {
        machine.advance(world.clock.now);
        if (machine.facts(world.clock.now).process === arrived) machine.runState = "running";
        seat.refresh();
      });
    },
  },
  "agent-stopped": {
    begin: (world) => world.stopAgent(),
    end: (world) => world.continueAgent(),
  },
  "agent-crash": {
    begin: (world) => world.killAgent(),
    end: (world) => world.startAgent(),
  },
  "upgrade-agent": {
    begin: (world, seat, fault) => {
      seat.agentMax = fault.amount;
      world.restartAgent();
    },
  },
  "upgrade-monitor": {
    begin: (_world, seat, fault) => {
      seat.monitorMax = fault.amount;
      if (seat.monitor !== null) seat.unseat(true);
    },
  },
  "bounds-changed": {
    begin: (world, seat, fault) => world.setBounds(seat, fault.amount / 100),
    end: (world, seat) => world.setBounds(seat, 1),
  },
  "min-raised": {
    begin: (world, seat, fault) => world.setLeast(seat, fault.amount / 100),
    end: (world, seat) => world.setLeast(seat, 0),
  },
  // An odd amount changes it under an agent that runs on.
  "capacity-changed": {
    begin: (world, _seat, fault) => world.setCapacity(fault.amount / 100, isRestarted(fault)),
    end: (world, _seat, fault) => world.setCapacity(1, isRestarted(fault)),
  },
};

function isRestarted({ amount }: Fault): boolean {
  return amount % 2 === 0;
}

export function beginFault(world: Hands, seat: Seat, fault: Fault): void {
  seat.begin(fault);
  DEEDS[fault.kind]?.begin?.(world, seat, fault);
  seat.refresh();
}

export function endFault(world: Hands, seat: Seat, fault: Fault): void {
  seat.end(fault);
  DEEDS[fault.kind]?.end?.(world, seat, fault);
  seat.refresh();
}
