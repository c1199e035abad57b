import { Recorder } from "@selfscale/recording";
import pkg from "../package.json" with { type: "json" };
import { exposedTokens } from "./config/exposed-tokens.ts";
import { loadConfig, type AgentConfig } from "./config/load.ts";
import { ControlServer } from "./control/server.ts";
import { type Log } from "./log.ts";
import { HttpDoor } from "./http/http-door.ts";
import { type Instruments } from "./http/instruments.ts";
import { Telemetry } from "./http/telemetry.ts";
import { NodeMinder } from "./node/node-minder.ts";
import { Reloader } from "./reload/reloader.ts";
import { FileWatch } from "./reload/watch-file.ts";
import { Fleet } from "./shell/fleet.ts";

/** `record`: the file that every frame is written to; null: none is. */
export type RunOptions = Readonly<{
  configFile: string;
  record: string | null;
  signal: AbortSignal;
}>;

/** Runs until `signal` aborts, then settles what is in flight and lets go of everything. */
export async function runAgent(config: AgentConfig, log: Log, options: RunOptions): Promise<void> {
  const recorder = await startRecorder(options.record, log);
  try {
    const telemetry = new Telemetry();
    const { instruments } = telemetry;
    instruments.loaded(true, Date.now());
    const fleet = new Fleet({ config, log, recorder, observer: instruments });
    const node = new NodeMinder((reading) => fleet.onCapacity(reading), log);
    const reloader = newReloader(options.configFile, { fleet, node, log, instruments });
    const now = () => performance.now();
    const controlled = { fleet, config: () => reloader.status, release: pkg.version, now };
    const control = new ControlServer(config.statusSocket, controlled, log);
    await control.listen();
    telemetry.start(() => fleet.status());
    const http = await HttpDoor.open(config.http, telemetry).catch(async (error: unknown) => {
      telemetry.stop();
      await control.stop();
      throw error;
    });
    fleet.start();
    telemetry.watchPressure(() => node.pressure);
    const vms = config.vms.map(({ spec }) => spec.name);
    const { statusSocket } = config;
    log.info({ vms, statusSocket, http: http.address }, "the agent runs");
    for (const warning of http.warnings) log.warn({ http: http.address }, warning);
    sayExposed(config, log);
    node.mind(config);
    const stopReloading = reloadWhenTold(reloader, log, options.configFile);
    await aborted(options.signal);
    node.stop();
    log.info("the agent stops; sizes stay as they are");
    stopReloading();
    await fleet.stop();
    await http.stop();
    telemetry.stop();
    await control.stop();
  } finally {
    await recorder?.stop();
  }
}

type Reloaded = Readonly<{ fleet: Fleet; node: NodeMinder; log: Log; instruments: Instruments }>;

function newReloader(file: string, { fleet, node, log, instruments }: Reloaded): Reloader {
  return new Reloader({
    file,
    log,
    load: loadConfig,
    apply: (next) => {
      log.level = next.logLevel;
      const plan = fleet.reload(next);
      node.mind(next);
      sayExposed(next, log);
      return plan;
    },
    onEnd: (isGood) => instruments.loaded(isGood, Date.now()),
  });
}

/** On SIGHUP, and when the file has changed. Gives what ends it. */
function reloadWhenTold(reloader: Reloader, log: Log, file: string): () => void {
  const onSignal = () => reloader.reload("SIGHUP");
  process.on("SIGHUP", onSignal);
  const onChange = () => reloader.reload("the file changed");
  const watch = new FileWatch(file, onChange, (problem) => {
    log.warn({ problem }, "changes of the file are not noticed: send SIGHUP after one");
  });
  return () => {
    process.off("SIGHUP", onSignal);
    watch.close();
  };
}

function sayExposed({ vms }: AgentConfig, log: Log): void {
  const exposed = exposedTokens(vms);
  if (exposed.length === 0) return;
  const advice = "the token can be read by whoever reads the path to the monitor: use wss";
  log.warn({ vms: exposed }, advice);
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
