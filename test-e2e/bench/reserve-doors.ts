// What a reservation costs beside the plug, natively: the real monitor and a real PostgreSQL, on a machine that grows at once.
//
// The overhead of a reservation is the time from the client's call to its answer, less the time from the agent's receipt of the
// ScaleRequest until the size can be used. With a hypervisor that grants at once the latter is 0, so here it is the whole time. What
// the agent takes to make its files larger (a fraction of a millisecond) is not taken off.
import { execFile } from "node:child_process";
import { request } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { MONITOR_BUNDLE } from "../harness/monitor-process.ts";
import { GrantingAgent } from "./granting-agent.ts";
import { type NativeMonitor, withNativeMonitor } from "./native-monitor.ts";
import { type PostgresCluster } from "./postgres-cluster.ts";
import { type PostgresRig, untilServed, withPostgres } from "./postgres-rig.ts";
import { BLOCK_BYTES, PretendedMachine } from "./pretended-machine.ts";
import { percentile, round, type Figure, type Section } from "./table.ts";

const GOAL = { p50Ms: 15, p99Ms: 60 };
/** Until the monitor has looked a few times, and node has compiled what it runs all the time. */
const SETTLE_MS = 5_000;
/** The protocol lets a monitor ask for more once in 100 ms; nobody reserves as fast as that. */
const PAUSE_MS = { least: 120, more: 150 };
/** The golden ratio: pauses that keep no step with any timer of the monitor's. */
const STEP = 0.618;

export type DoorOptions = Readonly<{ reserves: number; commands: number }>;

/** One door. Asks for so many bytes, tells what it took in ms, and gives back afterwards. */
type Door = (bytes: number) => Promise<number>;
type Opened = Readonly<{ door: Door; close: () => Promise<void> | void }>;
type Opener = (monitor: NativeMonitor, cluster: PostgresCluster) => Opened;

export async function measureDoors({ reserves, commands }: DoorOptions): Promise<Section> {
  return await withPostgres(async (rig) => {
    const sql = await timesOf(rig, sqlDoor, reserves);
    const http = await timesOf(rig, httpDoor, reserves);
    const command = await timesOf(rig, commandDoor, commands);
    return {
      title: `reserve() natively, beyond the plug (${rig.version})`,
      figures: [
        figure("SQL: selfscale.reserve()", sql, true),
        figure("HTTP: POST /reservations", http, false),
        figure("CLI: reserve … -- true", command, false),
      ],
      notes: [
        "each asks for more than there is: a ScaleRequest goes to an agent whose hypervisor grants at once; until the client has the answer",
        "the machine that the monitor sees is pretended, and grows by 128 MiB; monitor, PostgreSQL, psql and websocket are real",
        "the CLI is `selfscale-monitor reserve`; its time is the whole command's, with the start of its node and the end of the reservation",
      ],
    };
  });
}

/** On a machine of its own, which is not large yet. */
async function timesOf(rig: PostgresRig, open: Opener, count: number): Promise<number[]> {
  const machine = new PretendedMachine();
  try {
    return await withNativeMonitor(
      rig.monitorArgs,
      async (monitor) => {
        const agent = await GrantingAgent.connect(monitor.port, machine);
        await untilServed(rig.cluster);
        await pause(SETTLE_MS);
        const { door, close } = open(monitor, rig.cluster);
        const times: number[] = [];
        while (times.length < count) {
          await pause(PAUSE_MS.least + ((times.length * STEP) % 1) * PAUSE_MS.more);
          const before = agent.grants;
          // On top of what is in use this is more than there is, and less than a block more.
          times.push(await door(machine.bytes - BLOCK_BYTES));
          if (agent.grants === before) throw new Error("it was there: nothing was asked for");
        }
        await close();
        agent.end();
        return times;
      },
      machine.prefix,
    );
  } finally {
    machine.remove();
  }
}

const sqlDoor: Opener = (_monitor, cluster) => {
  const session = cluster.session();
  return {
    door: async (bytes) => {
      const sql = `SELECT granted FROM selfscale.reserve('${bytes}', wait => '10 s')`;
      const [ms, rows] = await timed(() => session.run(sql));
      if (rows[0] !== "t") throw new Error(`not granted: ${rows.join()}`);
      await session.run("SELECT selfscale.release()");
      return ms;
    },
    close: async () => session.end(),
  };
};

const httpDoor: Opener = ({ socket }) => ({
  door: async (bytes) => {
    const wish = { memory: bytes, wait: "10s", hold: "10m", owner: "bench" };
    const [ms, text] = await timed(() => call(socket, "POST", "/reservations", wish));
    const { state, id } = JSON.parse(text) as { state?: string; id?: string };
    if (state !== "granted" || id === undefined) throw new Error(`not granted: ${text}`);
    await call(socket, "DELETE", `/reservations/${id}`);
    return ms;
  },
  close: () => undefined,
});

const commandDoor: Opener = ({ socket }) => ({
  door: async (bytes) => {
    const options = ["--memory", `${bytes}`, "--wait", "10s", "--status", socket];
    const args = [MONITOR_BUNDLE, "reserve", ...options, "--", "true"];
    const [ms] = await timed(() => promisify(execFile)(process.execPath, args));
    return ms;
  },
  close: () => undefined,
});

async function timed<T>(work: () => Promise<T>): Promise<[ms: number, result: T]> {
  const beganAt = performance.now();
  const result = await work();
  return [performance.now() - beganAt, result];
}

async function call(
  socketPath: string,
  method: string,
  path: string,
  body?: object,
): Promise<string> {
  return await new Promise((resolve, reject) => {
    const sent = request({ socketPath, method, path, agent: false }, (reply) => {
      let text = "";
      reply.setEncoding("utf8").on("data", (more: string) => (text += more));
      reply.on("end", () => resolve(text));
    });
    sent.on("error", reject);
    sent.end(body === undefined ? "" : JSON.stringify(body));
  });
}

function figure(door: string, times: readonly number[], hasGoal: boolean): Figure {
  const [p50, p99] = [percentile(times, 0.5), percentile(times, 0.99)];
  const { p50Ms, p99Ms } = GOAL;
  return {
    what: `${door}, ${times.length} samples`,
    value: `p50 ${round(p50)}, p99 ${round(p99)} ms`,
    ...(hasGoal ? { goal: `≤ ${p50Ms}, ≤ ${p99Ms} ms`, isMet: p50 <= p50Ms && p99 <= p99Ms } : {}),
  };
}
