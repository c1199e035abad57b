// `make calibrate`: measures the constants of the laboratory's machine model on a real guest, prints them, and keeps them
// in packages/evaluation/src/calibration/. docs/calibration.md says how each is measured.
import { writeFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";
import { parseArgs } from "node:util";
import { format } from "prettier";
import { type Calibration } from "@selfscale/evaluation";
import { findAccelerator } from "../harness/accelerator.ts";
import { ensureGuest } from "../harness/guest.ts";
import { qemuVersion } from "../harness/qemu.ts";
import { measureCost } from "./cost.ts";
import { measureCpu, measureQuota } from "./cpu.ts";
import { measureMemory, measurePageIn, measureUsedUnplugs } from "./memory.ts";
import { calibrationLines } from "./print.ts";

const HELP = `make calibrate [ARGS="…"]: measures the machine model on a real guest, in about twenty minutes.

  --quick   few samples, printed and not kept
  --help`;

const FULL = {
  cpuGuests: 6,
  quotas: 30,
  memoryGuests: 5,
  usedRounds: 4,
  pageIns: 10,
  costGuests: 5,
};
const QUICK = {
  cpuGuests: 1,
  quotas: 5,
  memoryGuests: 1,
  usedRounds: 1,
  pageIns: 1,
  costGuests: 1,
};
/** Whatever hangs, it ends. */
const DEADLINE_MS = 45 * 60_000;

async function main(): Promise<number> {
  const { values } = parseArgs({
    args: process.argv.slice(2).filter((arg) => arg !== "--"),
    options: {
      quick: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const startedAt = performance.now();
  const calibration = await measure(values.quick ? QUICK : FULL);
  for (const line of calibrationLines(calibration)) console.log(line);
  if (!values.quick) await keep(calibration);
  const minutes = ((performance.now() - startedAt) / 60_000).toFixed(1);
  console.log(`calibrate: ${values.quick ? "measured, not kept" : "done"}, ${minutes} minutes`);
  return 0;
}

async function measure(size: typeof FULL): Promise<Calibration> {
  const loadBefore = load();
  const accelerator = await findAccelerator((await ensureGuest()).kernel);
  const cpu = await measureCpu(size.cpuGuests);
  const quota = await measureQuota(size.quotas);
  const { idle, ...memory } = await measureMemory(size.memoryGuests);
  const used = await measureUsedUnplugs(size.usedRounds);
  const pageIn = await measurePageIn(size.pageIns);
  const resizeCost = await measureCost(size.costGuests);
  const machine = {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: cpus().length,
    memBytes: totalmem(),
    kernel: release(),
    qemu: (await qemuVersion()).replace("QEMU emulator version ", ""),
    guest: "1 vCPU and 512 MiB, up to 4 vCPUs and 2560 MiB, virtio-mem",
    loadBefore,
    loadAfter: load(),
  };
  const measuredAt = new Date().toISOString();
  const facts = { profile: accelerator, measuredAt, machine };
  return {
    ...facts,
    ...cpu,
    ...quota,
    ...memory,
    partialUnplugs: { idle, used },
    resizeCost,
    ...pageIn,
  };
}

function load(): number {
  return Number((loadavg()[0] ?? NaN).toFixed(2));
}

/** As code: it is checked with the rest, and every bundle can hold it. */
async function keep(calibration: Calibration): Promise<void> {
  const { profile } = calibration;
  const file = `packages/evaluation/src/calibration/${profile}.ts`;
  const text = `// Written by \`make calibrate\`: measured, not chosen. docs/calibration.md says how.
import { type Calibration } from "./types.ts";

export const ${profile.toUpperCase()}_CALIBRATION: Calibration = ${JSON.stringify(calibration)};
`;
  writeFileSync(file, await format(text, { parser: "typescript", printWidth: 100 }));
  console.log(`written to ${file}`);
}

setTimeout(() => {
  console.log(`calibrate: not done after ${DEADLINE_MS / 60_000} minutes`);
  process.exit(1);
}, DEADLINE_MS).unref();

process.exit(await main());
