// The ones beyond the table: what must not move a policy, and what goes wrong around it.
import { paintHerd, paintSpikes } from "./cpu-loads.ts";
import { add, base, during, roughen, toTicks, type Generator } from "./shapes.ts";
import { NO_TROUBLE } from "../workload.ts";

/** Reads everything once: a high load average and little CPU. It must not grow for that. */
export const backup: Generator = {
  name: "backup",
  hours: 1,
  isHeadline: false,
  paint: (canvas) => {
    base(canvas, { cpu: 0.3, anonGib: 0.6, workingSetGib: 0.8, readMibPerSec: 10 });
    during(canvas, canvas.random.between(300, 1_500), 1_200, (tick) => {
      add(canvas.cpu, tick, 0.2);
      canvas.waitingTasks[tick] = 16;
    });
    roughen(canvas, 0.1, 4);
    return undefined;
  },
};

/** Sessions pile up behind locks, and CPU falls meanwhile; then all of them go on at once. */
export const lockStorm: Generator = {
  name: "lock_storm",
  hours: 1,
  isHeadline: false,
  paint: (canvas) => {
    base(canvas, { cpu: 2, anonGib: 0.8, workingSetGib: 1, readMibPerSec: 15 });
    const at = canvas.random.between(600, 2_400);
    during(canvas, at, 240, (tick) => {
      canvas.cpu[tick] = 1;
      canvas.waitingTasks[tick] = 12;
    });
    during(canvas, at + 240, 30, (tick) => (canvas.cpu[tick] = 4));
    roughen(canvas, 0.15, 8);
    return undefined;
  },
};

/** The host takes half of the CPUs for five minutes. */
export const steal: Generator = {
  name: "steal",
  hours: 1,
  isHeadline: false,
  paint: (canvas) => {
    base(canvas, { cpu: 1.5, anonGib: 0.8, workingSetGib: 1, readMibPerSec: 15 });
    during(canvas, canvas.random.between(600, 2_400), 300, (tick) => {
      canvas.stealShare[tick] = 0.5;
    });
    roughen(canvas, 0.15, 8);
    return undefined;
  },
};

/** Half of the memory above the least can't be unplugged once it was there. */
export const stuckUnplug: Generator = {
  name: "stuck_unplug",
  hours: 1,
  isHeadline: false,
  paint: (canvas) => {
    base(canvas, { cpu: 0.4, anonGib: 0.6, workingSetGib: 1, readMibPerSec: 15 });
    during(canvas, canvas.random.between(300, 900), 120, (tick, since) => {
      add(canvas.anonGib, tick, Math.min(8, since));
    });
    roughen(canvas, 0.1, 4);
    return { trouble: { ...NO_TROUBLE, unmovableShare: 0.5 } };
  },
};

/** The node is full for a minute whenever the herd comes. */
export const denial: Generator = {
  name: "denial",
  hours: 1,
  isHeadline: false,
  paint: (canvas) => {
    const denials = paintHerd(canvas)
      .filter((_, index) => index % 3 === 1)
      .map((at) => ({ fromTick: toTicks(at - 5), untilTick: toTicks(at + 55) }));
    return { trouble: { ...NO_TROUBLE, denials } };
  },
};

/** Spikes, and one wish in twenty gets lost. */
export const loss: Generator = {
  name: "message_loss",
  hours: 1,
  isHeadline: false,
  paint: (canvas) => {
    paintSpikes(canvas);
    return { trouble: { ...NO_TROUBLE, lossShare: 0.05 } };
  },
};
