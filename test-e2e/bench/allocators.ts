// Whether memory comes in time for processes that take it as fast as they can, and how close it was.
import { guestView } from "../harness/guest-view.ts";
import { type Stack } from "../harness/stack.ts";
import { MIB } from "../harness/truth.ts";
import { configureMonitor, untilAtRest, withStack } from "./rig.ts";
import { round, type Figure, type Section } from "./table.ts";

const TAKE_MIB = 1434; // 1.4 GiB
const ALLOCATORS = {
  "touch-loop": "a loop that touches 4 MiB after 4 MiB",
  "huge-string": "one string",
  memset: "one memset",
  "shm-fallocate": "fallocate in /dev/shm",
} as const;
type Allocator = keyof typeof ALLOCATORS;

/** The preset's own growth; only the way back to rest is quick. */
const QUICK_RETURN = `
memory:
  holdMs: 1000
  calmPressureShare: 1
startHoldMs: 1000
`;

type Run = Readonly<{
  code: number;
  kills: number;
  /** MB/s, as the program says. null: it did not get to say it. */
  rate: number | null;
  lowestBytes: number;
}>;

type MonitorMemory = Readonly<{
  reserveBytes: number;
  rMaxBytesPerSec: number;
  tReactMs: number;
  tReactSamples: number;
}>;

export async function measureAllocators(runs: number): Promise<Section> {
  return await withStack(
    {
      guests: [{ name: "allocators", monitorArgs: ["--preset", "demo"] }],
      agent: { slice: "2Gi", timers: { retryMinMs: 500 } },
    },
    async (stack) => {
      await configureMonitor(stack, QUICK_RETURN);
      await allowLargeMappings(stack);
      const figures: Figure[] = [];
      let monitor = await monitorMemory(stack);
      for (const allocator of Object.keys(ALLOCATORS) as Allocator[]) {
        const done: Run[] = [];
        for (let run = 0; run < runs; run += 1) done.push(await runOnce(stack, allocator));
        monitor = await monitorMemory(stack);
        figures.push(...figuresOf(allocator, done, monitor));
      }
      return { title: title(runs), figures, notes: notes(monitor) };
    },
  );
}

/**
 * By default Linux refuses a single mapping that is larger than all memory and swap of that moment: nothing is taken
 * then, nothing runs short, and nobody can see a need.
 */
async function allowLargeMappings(stack: Stack): Promise<void> {
  const { code, stderr } = await stack.guest.exec("echo 1 >/proc/sys/vm/overcommit_memory");
  if (code !== 0) throw new Error(`the guest's kernel can't be told to overcommit: ${stderr}`);
}

function title(runs: number): string {
  return `Allocation of ${TAKE_MIB} MiB from rest at 512 MiB, as fast as the program can, ${runs} run${runs === 1 ? "" : "s"} each`;
}

function notes(monitor: MonitorMemory): string[] {
  const { reserveBytes, rMaxBytesPerSec, tReactMs, tReactSamples } = monitor;
  return [
    `the monitor at the end: reserve ${mib(reserveBytes)}, rMax ${mib(rMaxBytesPerSec)}/s, reaction p99 ${round(tReactMs)} ms of ${tReactSamples}`,
    "the guest has vm.overcommit_memory=1: by default its kernel refuses one mapping larger than the memory of the moment at once (exit code 1)",
    "lowest: MemAvailable in the guest's kernel, looked at every 20 ms; the worst of all runs",
    "used up at: that margin ÷ the monitor's reaction time; nothing is claimed beyond that rate",
  ];
}

async function runOnce(stack: Stack, allocator: Allocator): Promise<Run> {
  await untilAtRest(stack);
  const before = (await guestView(stack.guest)).oomKills;
  const { code, stdout } = await stack.guest.exec(
    `perl -e '${LOWEST}' >/run/lowest & watch=$!; ${allocator} --mib ${TAKE_MIB}; code=$?
     kill $watch; wait $watch; echo "lowest $(cat /run/lowest)"; exit $code`,
    { timeoutMs: 180_000 },
  );
  const lowestKib = /^lowest (\d+)$/m.exec(stdout)?.[1];
  if (lowestKib === undefined) throw new Error(`no lowest MemAvailable: ${stdout}`);
  const rate = /, (\d+) MB\/s$/m.exec(stdout)?.[1];
  const kills = (await guestView(stack.guest)).oomKills - before;
  const lowestBytes = Number(lowestKib) * 1024;
  process.stderr.write(`bench: ${allocator}: code ${code}, lowest ${mib(lowestBytes)}\n`);
  return { code, kills, rate: rate === undefined ? null : Number(rate), lowestBytes };
}

/** Prints the lowest MemAvailable seen when it is told to end. KiB. One descriptor, kept open. */
const LOWEST = [
  "open(F, q(<), q(/proc/meminfo)); $low = 1e12; $SIG{TERM} = sub { print $low; exit };",
  "for (;;) { sysseek(F, 0, 0); sysread(F, $text, 200);",
  "$text =~ /MemAvailable:\\s+(\\d+)/ and $1 < $low and $low = $1;",
  "select(undef, undef, undef, 0.02); }",
].join(" ");

function figuresOf(
  allocator: Allocator,
  runs: readonly Run[],
  { tReactMs }: MonitorMemory,
): Figure[] {
  const good = runs.filter(({ code, kills }) => code === 0 && kills === 0).length;
  const rates = runs.flatMap(({ rate }) => (rate === null ? [] : [rate]));
  const lowest = Math.min(...runs.map(({ lowestBytes }) => lowestBytes));
  const codes = [...new Set(runs.map(({ code }) => code))].join(", ");
  return [
    {
      what: `${allocator}: ${ALLOCATORS[allocator]}`,
      value: `${good} of ${runs.length} survived (exit code ${codes})`,
      goal: `${runs.length} of ${runs.length}`,
      isMet: good === runs.length,
    },
    {
      what: "  rate reached",
      value: rates.length === 0 ? "none" : `${Math.min(...rates)} to ${Math.max(...rates)} MB/s`,
    },
    {
      what: "  lowest MemAvailable, and used up at",
      value: `${mib(lowest)}, ${round(lowest / 1e6 / (tReactMs / 1000))} MB/s`,
    },
  ];
}

async function monitorMemory(stack: Stack): Promise<MonitorMemory> {
  const { code, stdout, stderr } = await stack.guest.exec(
    "node /opt/selfscale/selfscale-monitor.cjs status --json",
  );
  if (code !== 0) throw new Error(`the monitor's status can't be read: ${stderr}`);
  return (JSON.parse(stdout) as { monitor: { memory: MonitorMemory } }).monitor.memory;
}

function mib(bytes: number): string {
  return `${Math.round(bytes / MIB)} MiB`;
}
