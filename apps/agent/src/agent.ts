import { Recorder } from "@selfscale/recording";
import pkg from "../package.json" with { type: "json" };
import { exposedTokens } from "./config/exposed-tokens.ts";
import { type AgentConfig } from "./config/load.ts";
import { type Log } from "./log.ts";
import { HttpDoor } from "./http/http-door.ts";
import { Telemetry } from "./http/telemetry.ts";
import { NodeWatch, type NodeReading } from "./node/node-watch.ts";
import { Fleet } from "./shell/fleet.ts";
import { StatusServer } from "./shell/status-server.ts";

/** `record`: the file that every frame is written to; null: none is. */
export type RunOptions = Readonly<{ record: string | null; signal: AbortSignal }>;

/** Runs until `signal` aborts, then settles what is in flight and lets go of everything. */
export async function runAgent(config: AgentConfig, log: Log, options: RunOptions): Promise<void> {
  const recorder = await startRecorder(options.record, log);
  try {
    const telemetry = new Telemetry();
    telemetry.instruments.loaded(true, Date.now());
    const fleet = new Fleet({ config, log, recorder, observer: telemetry.instruments });
    const status = new StatusServer(config.statusSocket, () => fleet.status());
    await status.listen();
    telemetry.start(() => fleet.status());
    const http = await HttpDoor.open(config.http, telemetry).catch(async (error: unknown) => {
      telemetry.stop();
      await status.stop();
      throw error;
    });
    fleet.start();
    const node = watchNode(config, fleet, log);
    telemetry.watchPressure(() => node.pressure);
    const vms = config.vms.map(({ spec }) => spec.name);
    const { statusSocket } = config;
    log.info({ vms, statusSocket, http: http.address }, "the agent runs");
    for (const warning of http.warnings) log.warn({ http: http.address }, warning);
    const exposed = exposedTokens(config.vms);
    if (exposed.length > 0) {
      const advice = "the token can be read by whoever reads the path to the monitor: use wss";
      log.warn({ vms: exposed }, advice);
    }
    node.start();
    await aborted(options.signal);
    node.stop();
    log.info("the agent stops; sizes stay as they are");
    await fleet.stop();
    await http.stop();
    telemetry.stop();
    await status.stop();
  } finally {
    await recorder?.stop();
  }
}

function watchNode(config: AgentConfig, fleet: Fleet, log: Log): NodeWatch {
  const { nodePlan: plan, nodeSize, shellTimers } = config;
  const { capacityEveryMs, brakeEveryMs } = shellTimers;
  const onChange = (reading: NodeReading) => fleet.onCapacity(reading);
  return new NodeWatch({ plan, log, capacityEveryMs, brakeEveryMs, onChange }, nodeSize);
}

async function startRecorder(file: string | null, log: Log): Promise<Recorder | null> {
  if (file === null) return null;
  return await Recorder.start({ file, app: "agent", release: pkg.version, log });
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
