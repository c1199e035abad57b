// Synthetic workloads that are mostly about CPU. Parameters are the published ones; what a seed draws is where things
// begin and how large they are.
import { TICK_SEC } from "../workload.ts";
import {
  add,
  always,
  base,
  during,
  HOUR_SEC,
  roughen,
  type Canvas,
  type Generator,
} from "./shapes.ts";

const MEMORY_PER_CORE_GIB = 50 / 1024;

/** Quiet, and now and then a benchmark of 1 to 7 cores for 5 to 60 s; 50 MiB per core. */
export const pgbenchSpikes: Generator = {
  name: "pgbench_spikes",
  hours: 1,
  isHeadline: true,
  paint: (canvas) => {
    paintSpikes(canvas);
    return undefined;
  },
};

export function paintSpikes(canvas: Canvas): void {
  base(canvas, { cpu: 0.15, anonGib: 0.5, workingSetGib: 0.5, readMibPerSec: 10 });
  canvas.parallelism.fill(32);
  const { random, ticks } = canvas;
  // One benchmark at a time.
  for (let at = random.exponential(180); at < ticks * TICK_SEC;) {
    const cores = random.between(1, 7);
    const lastsSec = random.between(5, 60);
    during(canvas, at, lastsSec, (tick) => {
      add(canvas.cpu, tick, cores);
      add(canvas.anonGib, tick, cores * MEMORY_PER_CORE_GIB);
    });
    at += lastsSec + random.exponential(180);
  }
  roughen(canvas, 0.15, 2);
}

/** A job every five minutes, and a large one every hour with 2 GiB at 1 GiB/s. */
export const cron: Generator = {
  name: "cron",
  hours: 2,
  isHeadline: true,
  paint: (canvas) => {
    base(canvas, { cpu: 0.3, anonGib: 0.6, workingSetGib: 0.8, readMibPerSec: 10 });
    const phase = canvas.random.between(0, 300);
    const hourly = canvas.random.between(0, HOUR_SEC - 120);
    for (let at = phase; at < canvas.ticks * TICK_SEC; at += 300) {
      during(canvas, at, 20, (tick) => add(canvas.cpu, tick, 2.5));
    }
    for (let at = hourly; at < canvas.ticks * TICK_SEC; at += HOUR_SEC) {
      during(canvas, at, 90, (tick, since) => {
        add(canvas.cpu, tick, 4);
        add(canvas.anonGib, tick, Math.min(2, since));
      });
    }
    roughen(canvas, 0.1, 4);
    return undefined;
  },
};

/** A day in six hours: 0.2 to 4.2 cores, working set 0.5 to 6.5 GiB. */
export const diurnal: Generator = {
  name: "diurnal",
  hours: 6,
  isHeadline: true,
  paint: (canvas) => {
    const phase = canvas.random.next();
    always(canvas, (tick, at) => {
      const height = (1 - Math.cos(2 * Math.PI * (at / (6 * HOUR_SEC) + phase))) / 2;
      canvas.cpu[tick] = 0.2 + 4 * height;
      canvas.anonGib[tick] = 0.5 + height;
      canvas.workingSetGib[tick] = 0.5 + 6 * height;
      canvas.readGibPerSec[tick] = (20 + 50 * height) / 1024;
    });
    roughen(canvas, 0.15, 8);
    return undefined;
  },
};

/** Every five minutes everybody comes at once: 7 cores that fade within 8 s, 1.2 GiB at 1.5 GiB/s. */
export const herd: Generator = {
  name: "herd",
  hours: 1,
  isHeadline: true,
  paint: (canvas) => {
    paintHerd(canvas);
    return undefined;
  },
};

/** Gives the times at which the herd comes, seconds. */
export function paintHerd(canvas: Canvas): readonly number[] {
  base(canvas, { cpu: 0.3, anonGib: 0.6, workingSetGib: 0.6, readMibPerSec: 10 });
  const times: number[] = [];
  for (let at = canvas.random.between(20, 300); at < canvas.ticks * TICK_SEC; at += 300) {
    times.push(at);
    during(canvas, at, 8, (tick, since) => {
      add(canvas.cpu, tick, 7 * Math.exp(-since / 2));
      add(canvas.anonGib, tick, Math.min(1.2, 1.5 * since));
    });
  }
  roughen(canvas, 0.1, 4);
  return times;
}

/** 0.3 and 3 cores by turns. The half period decides whether giving back is worth it. */
function square(halfSec: number, isHeadline: boolean): Generator {
  return {
    name: `square${halfSec}`,
    hours: 1,
    isHeadline,
    paint: (canvas) => {
      base(canvas, { cpu: 0.3, anonGib: 0.6, workingSetGib: 0.6, readMibPerSec: 10 });
      const phase = canvas.random.between(0, 2 * halfSec);
      always(canvas, (tick, at) => {
        if (Math.floor((at + phase) / halfSec) % 2 === 1) canvas.cpu[tick] = 3;
      });
      return undefined;
    },
  };
}

export const squares: readonly Generator[] = [
  square(30, true),
  ...[5, 13, 60, 300].map((half) => square(half, false)),
];

/** 2 cores with strong, slow noise. */
export const noisyFlat: Generator = {
  name: "noisy_flat",
  hours: 1,
  isHeadline: true,
  paint: (canvas) => {
    base(canvas, { cpu: 2, anonGib: 1, workingSetGib: 3, readMibPerSec: 30 });
    roughen(canvas, 0.35, 20);
    return undefined;
  },
};
