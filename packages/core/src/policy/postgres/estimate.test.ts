import { expect, test } from "vitest";
import { ANTICIPATION_DEFAULTS } from "./config.ts";
import { connectionBytes, indexBuildBytes, queryBytes, vacuumBytes } from "./estimate.ts";
import { DEBIAN } from "./testing/activity.ts";

const MIB = 1024 ** 2;
const GIB = 1024 * MIB;
const POLICY = { ...ANTICIPATION_DEFAULTS, processBytes: 4 * MIB };

test.for([
  { name: "a table of 10 kB", mwm: 64, workers: 2, bytes: 10_000, rows: 100, want: 4 },
  { name: "nothing known of the table", mwm: 64, workers: 2, bytes: null, rows: null, want: 78 },
  { name: "a large table, as installed", mwm: 64, workers: 2, bytes: GIB, rows: 1e7, want: 78 },
  { name: "a large table, no workers", mwm: 64, workers: 0, bytes: GIB, rows: 1e7, want: 74 },
  { name: "plenty of memory", mwm: 4096, workers: 2, bytes: GIB, rows: 8 * MIB, want: 1702 },
  { name: "rows that nobody counted", mwm: 8192, workers: 0, bytes: GIB, rows: null, want: 3383 },
  { name: "too little for a worker", mwm: 63, workers: 8, bytes: GIB, rows: 1e7, want: 73 },
  {
    name: "room for three workers of eight",
    mwm: 128,
    workers: 8,
    bytes: GIB,
    rows: 1e7,
    want: 157,
  },
  { name: "an empty table", mwm: 64, workers: 2, bytes: 0, rows: 0, want: 4 },
])("index, $name: $want MiB", ({ mwm, workers, bytes, rows, want }) => {
  const settings = {
    ...DEBIAN,
    maintenanceWorkMemBytes: mwm * MIB,
    maxParallelMaintenanceWorkers: workers,
  };
  expect(Math.round(indexBuildBytes(settings, { bytes, rows }, POLICY) / MIB)).toBe(want);
});

test.for([
  { name: "as installed", work: 4, hash: 2, processes: 1, nodes: 1, want: 8 },
  { name: "two workers", work: 64, hash: 2, processes: 3, nodes: 1, want: 384 },
  { name: "two hashes at once", work: 64, hash: 2, processes: 1, nodes: 2, want: 256 },
  {
    name: "a sort may take all of work_mem",
    work: 64,
    hash: 0.5,
    processes: 1,
    nodes: 1,
    want: 64,
  },
])("query, $name: $want MiB", ({ work, hash, processes, nodes, want }) => {
  const settings = { ...DEBIAN, workMemBytes: work * MIB, hashMemMultiplier: hash };
  const bytes = queryBytes(settings, processes, { ...POLICY, planNodes: nodes });
  expect(bytes).toBe(want * MIB);
});

test.for([
  { name: "by hand", isAuto: false, auto: 16, mwm: 64, max: null, want: 64 },
  { name: "by itself", isAuto: true, auto: 16, mwm: 64, max: null, want: 16 },
  { name: "by itself, nothing of its own", isAuto: true, auto: null, mwm: 64, max: null, want: 64 },
  { name: "a small table", isAuto: false, auto: null, mwm: 64, max: 2, want: 2 },
  {
    name: "more than an array may be",
    isAuto: false,
    auto: null,
    mwm: 4096,
    max: null,
    want: 1024,
  },
])("vacuum, $name: $want MiB", ({ isAuto, auto, mwm, max, want }) => {
  const settings = {
    ...DEBIAN,
    maintenanceWorkMemBytes: mwm * MIB,
    autovacuumWorkMemBytes: auto === null ? null : auto * MIB,
  };
  const maxBytes = max === null ? null : max * MIB;
  expect(vacuumBytes(settings, { isAuto, maxBytes })).toBe(want * MIB);
});

test.for([
  { name: "as installed", shared: 128, huge: false, want: 4.25 },
  { name: "much shared memory", shared: 8192, huge: false, want: 20 },
  { name: "much shared memory in huge pages", shared: 8192, huge: true, want: 4 },
])("connection, $name: $want MiB", ({ shared, huge, want }) => {
  const settings = { sharedBuffersBytes: shared * MIB, hasHugePages: huge };
  expect(connectionBytes(settings, POLICY)).toBe(want * MIB);
});
