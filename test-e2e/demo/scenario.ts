// The story: boot, agent, load, down again, the same load at a fixed size. Says what it does before it does it.
import { cpus, totalmem } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import { AgentProcess, type LogLine, type VmLadder } from "../harness/agent-process.ts";
import { cgroupUnavailable, startGuest, type Guest } from "../harness/guest.ts";
import { guestView } from "../harness/guest-view.ts";
import { DEMO_BOUNDS, entryFor } from "../harness/stack.ts";
import { MIB, Truth, type TrueSize } from "../harness/truth.ts";
import { until } from "../harness/until.ts";
import { runAtFixedSize } from "./fixed.ts";
import { Screen } from "./screen.ts";
import { summaryLines, type MonitorFigures } from "./summary.ts";
import { findProblems, type Evidence } from "./verdict.ts";

export type DemoOptions = Readonly<{
  legacy: boolean;
  preset: "demo" | "default";
  seconds: number;
}>;

const VM = "pg-1";
const NODE = { cpu: 4, mem: "3Gi" };
const NODE_MIB = 3072;
/** Whole units that fit the VM: two make its base, eight its maximum. */
const COMPUTE_UNIT = { cpu: 0.5, mem: "320Mi" };
const BASE_BYTES = 512 * MIB;
const STEP_BYTES = { held: 128 * MIB, unit: 320 * MIB };
const LOOK_EVERY_MS = 500;
/** A load average forgets a boot within minutes. */
const REST_WITHIN_MS = 180_000;
const BACK_WITHIN_S = { demo: 120, default: 400 };

/** Resolves with what went wrong; empty when nothing did. */
export async function runDemo(options: DemoOptions): Promise<string[]> {
  sayHeader(options);
  const guest = await startGuest({
    name: VM,
    restore: false,
    cgroup: cgroupUnavailable() === null,
    monitorArgs: ["--preset", options.preset, ...(options.legacy ? ["--protocol-max", "1"] : [])],
  });
  const truth = await Truth.open(guest.truthPath);
  let agent: AgentProcess | null = null;
  try {
    agent = await AgentProcess.start(agentConfig(guest, options));
    await until("the monitor is connected", async () => {
      return (await agent?.vm(VM))?.link.state === "up" ? true : null;
    });
    const evidence = await watch(agent, guest, truth, options);
    const monitor = options.legacy ? null : await monitorFigures(guest);
    await agent.stop();
    agent = null;
    const fixed = await atFixedSize(guest, truth, options);
    for (const line of summaryLines(evidence, monitor, fixed)) console.log(line);
    return findProblems(evidence);
  } finally {
    truth.close();
    await agent?.stop();
    await guest.kill();
  }
}

function sayHeader({ legacy, preset, seconds }: DemoOptions): void {
  const machineMiB = Math.round(totalmem() / MIB);
  const who = legacy
    ? "a version-1 monitor; the agent's metrics-based algorithm decides"
    : "the VM decides";
  console.log(`selfscale demo: ${who}, preset ${preset}.`);
  console.log("A VM of 1 vCPU and 512 MiB that may grow to 4 vCPU and 2.5 GiB, under QEMU.");
  console.log(`The load takes 1.2 GiB and wants 3 CPUs, for ${seconds} s and more.`);
  if (preset === "demo") {
    console.log(
      "The preset holds sizes for seconds instead of minutes; --preset default is the real one.",
    );
  }
  if (legacy) {
    const { cpu, mem } = COMPUTE_UNIT;
    console.log(
      `A compute unit is ${cpu} vCPU and ${mem}; the metrics decide after 5 s instead of 60 s.`,
    );
  }
  if (NODE.cpu > cpus().length || NODE_MIB > machineMiB) {
    console.log(
      `The node is declared with ${NODE.cpu} vCPU and ${NODE_MIB} MiB; this machine has ` +
        `${cpus().length} and ${machineMiB} MiB: its vCPUs share what there is.`,
    );
  }
  const noCgroup = cgroupUnavailable();
  if (noCgroup !== null) console.log(`No CPU quota: ${noCgroup}. A CPU shrink is advice then.`);
  console.log("Booting (the first time the guest is built, which takes a minute or two) ...");
}

function agentConfig(guest: Guest, { legacy }: DemoOptions): Record<string, unknown> {
  const vm = { ...entryFor(guest), bounds: DEMO_BOUNDS };
  if (!legacy) return { node: NODE, vms: [vm] };
  return {
    node: NODE,
    legacy: { computeUnit: COMPUTE_UNIT },
    vms: [{ ...vm, metrics: guest.metricsUrl }],
    timers: { metricsModeAfterMs: 5_000 },
  };
}

/** Runs the load and looks on until the VM has come back down, or the time for that is over. */
async function watch(
  agent: AgentProcess,
  guest: Guest,
  truth: Truth,
  options: DemoOptions,
): Promise<Evidence> {
  const screen = new Screen();
  const startedAt = performance.now();
  const seconds = () => (performance.now() - startedAt) / 1000;
  let load = "at rest";
  let [peakMemBytes, peakVcpus] = [0, 0];
  const look = async () => {
    const [ladder, size, log] = await Promise.all([agent.vm(VM), truth.size(), agent.log()]);
    peakMemBytes = Math.max(peakMemBytes, size.memBytes);
    peakVcpus = Math.max(peakVcpus, size.vcpus);
    const said = log.filter(isNews).map((line) => `${String(line.reason)}: ${line.msg ?? ""}`);
    screen.show({ seconds: seconds(), ladder, truth: size, load, said });
    return { ladder, size };
  };

  const stepBytes = options.legacy ? STEP_BYTES.unit : STEP_BYTES.held;
  await atRest(look, options);
  const start = await truth.size();
  const before = await guestView(guest);
  const beforeLoad = (await agent.log()).length;
  [peakMemBytes, peakVcpus] = [start.memBytes, start.vcpus];

  load = "the load runs";
  const loadCode = await runLoad(guest, options, look);
  load = "the load has ended";
  const endedAt = seconds();
  const mostMilli = 1000 + (options.legacy ? COMPUTE_UNIT.cpu * 1000 : 0);
  const isBack = ({ ladder, size }: Sight) =>
    (ladder.requested?.milliCpu ?? Infinity) <= mostMilli &&
    size.memBytes <= start.memBytes + stepBytes;
  let last = await look();
  while (!isBack(last) && seconds() < endedAt + BACK_WITHIN_S[options.preset]) {
    await pause(LOOK_EVERY_MS);
    last = await look();
  }
  screen.end();
  return {
    start,
    peakMemBytes,
    peakVcpus,
    loadCode,
    before,
    after: await guestView(guest),
    end: last.size,
    endMilliCpu: last.ladder.requested?.milliCpu ?? 0,
    backAfterS: isBack(last) ? seconds() - endedAt : null,
    log: await agent.log(),
    beforeLoad,
  };
}

/** Runs the load in the guest, looking on meanwhile. Gives its exit code; -1 when it was lost. */
async function runLoad(guest: Guest, options: DemoOptions, look: Look): Promise<number> {
  const loadDone = guest.exec(`demo-load ${options.seconds}`, { timeoutMs: 600_000 });
  const ended: { code: number | null } = { code: null };
  void loadDone.then(
    ({ code }) => (ended.code = code),
    () => (ended.code = -1),
  );
  while (ended.code === null) {
    await look();
    await pause(LOOK_EVERY_MS);
  }
  return ended.code;
}

type Sight = Readonly<{ ladder: VmLadder; size: TrueSize }>;
type Look = () => Promise<Sight>;

/** A booting guest is busy: the story starts when whoever decides has found its calm. */
async function atRest(look: Look, { legacy }: DemoOptions): Promise<void> {
  const mode = legacy ? "metrics-based" : "compute-controlled";
  const mostBytes = BASE_BYTES + (legacy ? STEP_BYTES.unit : STEP_BYTES.held);
  const isCalm = async () => {
    const { ladder, size } = await look();
    const isSettled = ladder.reason === "met" || ladder.reason === "no-cpu-quota";
    return ladder.mode === mode && isSettled && size.memBytes <= mostBytes ? true : null;
  };
  await until(`the VM is ${mode} and at rest`, isCalm, {
    everyMs: LOOK_EVERY_MS,
    withinMs: REST_WITHIN_MS,
  });
}

function isNews(line: LogLine): boolean {
  return line.vm === VM && line.reason !== undefined;
}

/** What the monitor measured of itself, by its own status command in the guest. */
async function monitorFigures(guest: Guest): Promise<MonitorFigures | null> {
  const { code, stdout } = await guest.exec(
    "node /opt/selfscale/selfscale-monitor.cjs status --json",
    { timeoutMs: 60_000 },
  );
  if (code !== 0) return null;
  const { monitor } = JSON.parse(stdout) as { monitor: { memory: MonitorFigures } };
  return monitor.memory;
}

async function atFixedSize(guest: Guest, truth: Truth, options: DemoOptions): Promise<string> {
  console.log("And the same load without an agent, at a fixed 512 MiB, for up to 60 s ...");
  const { path, property } = { path: "/machine/peripheral/vm0", property: "requested-size" };
  await truth.qmp.execute("qom-set", { path, property, value: 0 });
  await until("the VM is at 512 MiB", async () => {
    return (await truth.size()).memBytes === BASE_BYTES ? true : null;
  });
  return await runAtFixedSize(guest, `demo-load ${options.seconds}`);
}
