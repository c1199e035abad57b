// reserve() in a real VM: what it takes when the memory is there, and when a gibibyte has to be plugged first. Timed by psql in the
// guest, as the session that waits sees it.
import { type LogLine } from "../harness/agent-process.ts";
import { GuestPostgres, PG_ENV } from "../harness/guest-postgres.ts";
import { type Stack } from "../harness/stack.ts";
import { MIB } from "../harness/truth.ts";
import { until } from "../harness/until.ts";
import { configureMonitor, untilAtRest, withStack } from "./rig.ts";
import { percentile, round, type Figure, type Section } from "./table.ts";

const GOALS = { overheadMs: 150, plugMs: 1_000 };
const SOCKET_FOLDER = "/run/postgresql";
const PLUGGED_BYTES = 1024 * MIB;
/** No patience on the way down: how soon memory is given back is not what is measured. */
const CONFIG = `
postgres: { host: ${SOCKET_FOLDER} }
memory: { holdMs: 500, calmPressureShare: 1 }
startHoldMs: 0
shortGrantHoldMs: 0
`;
const PATIENCE = { timeoutMs: 240_000 };
/** The first reserve() of a session compiles the functions, which an emulated CPU takes a while for. */
const COLD = 1;
const SMALL = "SELECT granted FROM selfscale.reserve('1MB')";
const LARGE = "SELECT granted FROM selfscale.reserve('1GB', wait => '30 s')";
/** What the guest's kernel hands out by then, in MiB. */
const TOTAL = `SELECT substring(pg_read_file('/proc/meminfo') FROM 'MemTotal: +(\\d+)')::bigint / 1024`;

export type GuestReserveOptions = Readonly<{ guestReserves: number; plugs: number }>;

export async function measureGuestReserves(options: GuestReserveOptions): Promise<Section> {
  return await withStack(
    {
      guests: [{ name: "reserve", monitorArgs: ["--preset", "demo"] }],
      // Gives back in one slice: see above.
      agent: { log: { level: "debug" }, slice: "2Gi" },
    },
    async (stack) => {
      const postgres = new GuestPostgres(stack.guest);
      await openDoor(stack, postgres);
      const small = await reserves(stack, SMALL, options.guestReserves + COLD);
      const size = await stack.truth.size();
      if (size.requestedBytes > 512 * MIB) throw new Error("a reservation of 1 MiB grew the VM");
      const large = await plugs(stack, options.plugs);
      return {
        title: `reserve() in the guest (PostgreSQL ${(await postgres.value("SHOW server_version"))?.split(" ")[0] ?? "?"})`,
        figures: [...smallFigures(small), ...plugFigures(large)],
        notes: [
          "timed by psql in the guest; one session, whose first reserve() is told apart",
          "the agent's part of a plug: from its receipt of the ScaleRequest until QEMU said that the guest had plugged all; the rest is overhead",
        ],
      };
    },
  );
}

/** The functions are installed, and the monitor has this PostgreSQL. */
async function openDoor(stack: Stack, postgres: GuestPostgres): Promise<void> {
  const install = `node /opt/selfscale/selfscale-monitor.cjs sql install --host ${SOCKET_FOLDER}`;
  const { code, stderr } = await stack.guest.exec(install, PATIENCE);
  if (code !== 0) throw new Error(`the functions were not installed: ${stderr}`);
  await configureMonitor(stack, CONFIG);
  await until("the monitor serves PostgreSQL", async () =>
    postgres.value("SELECT count(*) FROM selfscale.size").catch(() => null),
  );
  await untilAtRest(stack);
  await stack.guest.exec("wait-settled", PATIENCE);
}

/** How long each took, in ms: so many, one after the other and given back, in one session. */
async function reserves(stack: Stack, sql: string, count: number): Promise<readonly number[]> {
  const each = `\\timing on\n${sql};\n\\timing off\nSELECT selfscale.release(), pg_sleep(0.1);\n`;
  const psql = `${PG_ENV} psql -XAtq -v ON_ERROR_STOP=1 -f - <<'END'\n${each.repeat(count)}END`;
  const { code, stdout, stderr } = await stack.guest.exec(psql, PATIENCE);
  const times = [...stdout.matchAll(/^t\nTime: ([\d.]+) ms/gm)].map(([, ms]) => Number(ms));
  if (code !== 0 || times.length !== count) throw new Error(`not all were granted: ${stderr}`);
  return times;
}

type Plug = Readonly<{ ms: number; agentMs: number }>;

/** A session each, which has reserved before, so that nothing has to be compiled; from rest to rest. */
async function plugs(stack: Stack, count: number): Promise<readonly Plug[]> {
  const found: Plug[] = [];
  while (found.length < count) {
    await untilAtRest(stack);
    await stack.guest.exec("wait-settled", PATIENCE);
    const begin = (await stack.agent.log()).length;
    const ms = await warmReserve(stack);
    found.push({ ms, agentMs: plugMsIn((await stack.agent.log()).slice(begin)) });
    process.stderr.write(`bench: reserve: plug ${found.length} of ${count}\n`);
  }
  return found;
}

async function warmReserve(stack: Stack): Promise<number> {
  const warmUp = `${SMALL};\nSELECT selfscale.release(), pg_sleep(0.5);\n`;
  const timed = `\\timing on\n${LARGE};\n\\timing off\n${TOTAL};\nSELECT selfscale.release();\n`;
  const psql = `${PG_ENV} psql -XAtq -v ON_ERROR_STOP=1 -f - <<'END'\n${warmUp}${timed}END`;
  const { code, stdout, stderr } = await stack.guest.exec(psql, PATIENCE);
  const [, ms = NaN, totalMib = 0] = (/^t\nTime: ([\d.]+) ms\n(\d+)/m.exec(stdout) ?? []).map(
    Number,
  );
  if (code !== 0 || Number.isNaN(ms)) throw new Error(`1 GiB was not granted: ${stderr}`);
  if (totalMib * MIB < PLUGGED_BYTES) throw new Error(`granted, but there are ${totalMib} MiB`);
  return ms;
}

type Step = Readonly<{ now: number; event: Readonly<Record<string, unknown>> }>;

/** From the first wish for more to the first look at QEMU that shows it plugged. */
function plugMsIn(log: readonly LogLine[]): number {
  const steps = log.filter(({ msg }) => msg === "step") as unknown as Step[];
  const wish = steps.find(({ event }) => memWanted(event) >= PLUGGED_BYTES);
  const wanted = wish === undefined ? Infinity : memWanted(wish.event);
  const met = steps.find(({ event }) => memSeen(event) >= wanted);
  if (wish === undefined || met === undefined) throw new Error("the agent's log has no plug");
  return met.now - wish.now;
}

/** What a ScaleRequest asks for, in bytes; 0: it is none. */
function memWanted({ kind, text }: Step["event"]): number {
  if (kind !== "frame-received" || typeof text !== "string") return 0;
  const frame = JSON.parse(text) as { type?: string; target?: { mem: number } };
  return frame.type === "ScaleRequest" ? (frame.target?.mem ?? 0) : 0;
}

/** What QEMU shows, in bytes; 0: it was not looked at. */
function memSeen({ kind, facts }: Step["event"]): number {
  if (kind !== "hypervisor-observed") return 0;
  const { baseMemBytes, memoryDevice } = facts as {
    baseMemBytes: number;
    memoryDevice: { sizeBytes: number } | null;
  };
  return baseMemBytes + (memoryDevice?.sizeBytes ?? 0);
}

function smallFigures([first = NaN, ...times]: readonly number[]): Figure[] {
  const p50 = percentile(times, 0.5);
  return [
    {
      what: `overhead where it is there, ${times.length} samples`,
      value: `p50 ${round(p50)}, p99 ${round(percentile(times, 0.99))} ms`,
      goal: `p50 ≤ ${GOALS.overheadMs} ms`,
      isMet: p50 <= GOALS.overheadMs,
    },
    { what: "  the session's first one", value: `${round(first)} ms` },
  ];
}

function plugFigures(plugs: readonly Plug[]): Figure[] {
  const spread = (of: (plug: Plug) => number) => {
    const values = plugs.map(of);
    return `p50 ${round(percentile(values, 0.5))}, worst ${round(Math.max(...values))} ms`;
  };
  const overhead = percentile(
    plugs.map(({ ms, agentMs }) => ms - agentMs),
    0.5,
  );
  const worst = Math.max(...plugs.map(({ ms }) => ms));
  return [
    {
      what: `1 GiB plugged and usable, ${plugs.length} rounds`,
      value: spread(({ ms }) => ms),
      goal: `≤ ${GOALS.plugMs} ms`,
      isMet: worst <= GOALS.plugMs,
    },
    { what: "  the agent's and QEMU's part", value: spread(({ agentMs }) => agentMs) },
    {
      what: "  overhead, the rest",
      value: spread(({ ms, agentMs }) => ms - agentMs),
      goal: `p50 ≤ ${GOALS.overheadMs} ms`,
      isMet: overhead <= GOALS.overheadMs,
    },
  ];
}
