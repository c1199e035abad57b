// Synthetic workloads that are mostly about memory.
import { type Hint, TICK_SEC } from "../workload.ts";
import { add, always, base, during, HOUR_SEC, roughen, toTicks, type Generator } from "./shapes.ts";

/** Two index builds an hour, 4 to 14 GiB taken at 4 GiB/s, 3 cores, 180 s; who builds them says so before. */
export const createIndex: Generator = {
  name: "create_index",
  hours: 1,
  isHeadline: true,
  paint: (canvas) => {
    base(canvas, { cpu: 0.3, anonGib: 0.6, workingSetGib: 1, readMibPerSec: 15 });
    const hints: Hint[] = [];
    for (const half of [0, 1]) {
      const at = half * 1_800 + canvas.random.between(60, 1_500);
      const gib = canvas.random.between(4, 14);
      during(canvas, at, 180, (tick, since) => {
        add(canvas.cpu, tick, 3);
        add(canvas.anonGib, tick, Math.min(gib, 4 * since));
      });
      hints.push({
        fromTick: toTicks(at - 0.7 - gib / 8),
        untilTick: toTicks(at + 180),
        cpu: 3,
        addMemGib: gib,
      });
    }
    roughen(canvas, 0.1, 4);
    return { hints };
  },
};

/** Six times shared memory of 2 to 10 GiB at 2 GiB/s, kept for 40 s. */
export const dsmBurst: Generator = {
  name: "dsm_burst",
  hours: 1,
  isHeadline: true,
  paint: (canvas) => {
    base(canvas, { cpu: 0.4, anonGib: 0.6, workingSetGib: 1, readMibPerSec: 15 });
    for (let burst = 0; burst < 6; burst += 1) {
      const at = burst * 600 + canvas.random.between(30, 540);
      const gib = canvas.random.between(2, 10);
      during(canvas, at, 40 + gib / 2, (tick, since) => {
        add(canvas.anonGib, tick, Math.min(gib, 2 * since));
      });
    }
    roughen(canvas, 0.1, 4);
    return undefined;
  },
};

/** 0.5 to 8.5 GiB in an hour, then a restart. */
export const leak: Generator = {
  name: "leak",
  hours: 2,
  isHeadline: true,
  paint: (canvas) => {
    base(canvas, { cpu: 0.5, anonGib: 0.5, workingSetGib: 0.5, readMibPerSec: 10 });
    const phase = canvas.random.next();
    always(canvas, (tick, at) => {
      canvas.anonGib[tick] = 0.5 + 8 * ((at / HOUR_SEC + phase) % 1);
    });
    roughen(canvas, 0.1, 4);
    return undefined;
  },
};

/** Idle for ten minutes; then 3.5 cores that settle at 1.5, and a cache that fills to 5 GiB. */
export const coldStart: Generator = {
  name: "cold_start",
  hours: 1,
  isHeadline: true,
  paint: (canvas) => {
    base(canvas, { cpu: 0.05, anonGib: 0.4, workingSetGib: 0.1, readMibPerSec: 1 });
    const wakesAt = 600 * canvas.random.between(0.8, 1.2);
    during(canvas, wakesAt, canvas.ticks * TICK_SEC, (tick, since) => {
      canvas.cpu[tick] = 1.5 + 2 * Math.exp(-since / 30);
      canvas.anonGib[tick] = 0.8;
      canvas.workingSetGib[tick] = 0.1 + 4.9 * (1 - Math.exp(-since / 60));
      canvas.readGibPerSec[tick] = 120 / 1024;
    });
    roughen(canvas, 0.15, 8);
    return undefined;
  },
};
