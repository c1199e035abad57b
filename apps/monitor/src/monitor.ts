import { performance } from "node:perf_hooks";
import {
  type CpuSample,
  explainMonitor,
  grantedOf,
  initialMonitor,
  initialShadow,
  type MemorySample,
  MONITOR_DEFAULTS,
  type MonitorAction,
  type MonitorConfig,
  monitorStatus,
  PRESET_CALM,
} from "@selfscale/core";
import { FEATURES } from "@selfscale/protocol";
import { type Recorder } from "@selfscale/recording";
import { VERSION } from "./cli.ts";
import { type Config } from "./config/load.ts";
import { sayPolicy } from "./config/policy.ts";
import { ReservationDesk } from "./local-api/desk.ts";
import { GrantedFile } from "./local-api/granted-file.ts";
import { LocalApi } from "./local-api/server.ts";
import { viewOf } from "./local-api/views.ts";
import { type Log } from "./log.ts";
import { type Identity, readIdentity, type Roots } from "./machine/identity.ts";
import { type PageIn, pageInRate } from "./machine/page-in.ts";
import { PostgresWatch } from "./postgres/sense/watch.ts";
import { PostgresSide } from "./postgres/side.ts";
import { MachineSensors } from "./sensors/machine-sensors.ts";
import { openToAll, tokenAuth } from "./shell/auth.ts";
import { Hands } from "./shell/hands.ts";
import { hostMetrics } from "./shell/host-metrics.ts";
import { Journal } from "./shell/journal.ts";
import { LinkServer } from "./shell/link-server.ts";
import { MonitorLoop, type Witness } from "./shell/loop.ts";
import { MetricsServer } from "./shell/metrics-server.ts";
import { SampleTape } from "./shell/sample-tape.ts";
import { ShadowWatch } from "./shell/shadow-watch.ts";
import { type Status } from "./shell/status.ts";
import { Tls } from "./shell/tls.ts";

/** What the monitor stands on. Tests pass folders of their own and shorter timers. */
export type Ground = Readonly<{
  roots: Roots;
  log: Log;
  timers?: Partial<MonitorConfig["timers"]>;
  /** Our own mistake ended the loop: the process should end and be started anew. */
  onCrash(): void;
}>;

/** Everything that runs inside the VM, wired together: sensors, loop, links, metrics, status. */
export class Monitor {
  readonly #config: Config;
  readonly #ground: Ground;
  readonly #startedAt = performance.now();
  readonly #identity: Identity;
  readonly #pageIn: PageIn;
  readonly #missing: string[] = [];
  readonly #sensors: MachineSensors;
  readonly #hands: Hands;
  readonly #journal: Journal;
  readonly #shadow: ShadowWatch | null;
  readonly #loop: MonitorLoop;
  readonly #links: LinkServer;
  readonly #metrics: MetricsServer;
  readonly #desk: ReservationDesk;
  readonly #granted: GrantedFile;
  readonly #local: LocalApi;
  readonly #postgres: PostgresSide | null;
  readonly #watch: PostgresWatch | null;
  #memory: MemorySample | null = null;
  #recorder: Recorder | null = null;

  constructor(config: Config, ground: Ground) {
    const { roots, log } = ground;
    this.#config = config;
    this.#ground = ground;
    this.#identity = readIdentity(roots);
    this.#pageIn = pageInRate(config.pageInMaxBytesPerSec, roots);
    const onMissing = (path: string, problem: string) => {
      this.#missing.push(path);
      log.warn({ path }, `a signal is missing: ${problem}`);
    };
    this.#sensors = new MachineSensors(roots, onMissing, config.cgroup);
    this.#hands = new Hands(roots, this.#sensors, log);
    this.#journal = new Journal(log);
    const core = this.#coreConfig();
    this.#shadow = this.#createShadow(core);
    this.#loop = this.#createLoop(core);
    this.#links = this.#createLinks();
    this.#metrics = new MetricsServer(() =>
      hostMetrics({
        load: this.#sensors.readLoad(),
        memory: this.#memory,
        links: this.#links.counts(),
      }),
    );
    this.#desk = new ReservationDesk({
      now: () => performance.now(),
      reserve: (request) => this.#loop.reserve(request),
      feed: (event) => this.#loop.feed(event),
    });
    this.#granted = this.#createGrantedFile();
    this.#local = this.#createLocalApi();
    this.#postgres = this.#createPostgres();
    this.#watch = this.#createWatch();
  }

  /** Opens the ports, then looks for the first time. Rejects when a port or the socket is taken. */
  async start(): Promise<Readonly<{ port: number; metricsPort: number }>> {
    const { log } = this.#ground;
    const { listen, metricsListen, token, tls } = this.#config;
    try {
      this.#recorder = await this.#startRecorder();
      // First, for who has the socket is the one monitor that may take over what another granted; and an agent that connects
      // later finds that counted.
      await this.#local.listen();
      this.#takeOver();
      const { port } = await this.#links.listen(listen);
      const { port: metricsPort } = await this.#metrics.listen(metricsListen);
      const isOpenToAll = token === null && (tls?.clientCa ?? null) === null;
      if (isOpenToAll && isEverywhere(listen.address)) {
        log.warn(
          "listening on all addresses without a token: whoever reaches this port can shrink the VM",
        );
      }
      this.#loop.start();
      this.#watch?.start();
      this.#postgres?.start();
      log.info(
        { port, metricsPort, tls: tls !== null, pageIn: this.#pageIn, ...this.#identity },
        "started",
      );
      return { port, metricsPort };
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** What the monitor before this one granted is still relied on. */
  #takeOver(): void {
    const found = this.#granted.take();
    if (found === null) return;
    for (const request of found.alone) this.#desk.adopt(request);
    this.#loop.feed({ kind: "reservations-found", found: found.granted });
  }

  /** Ends everything: the link with close code 1001, the socket's file removed. */
  async stop(): Promise<void> {
    this.#loop.stop();
    this.#hands.stop();
    this.#watch?.stop();
    await Promise.all([
      this.#postgres?.stop(),
      this.#links.stop(),
      this.#metrics.stop(),
      this.#local.stop(),
    ]);
    this.#sensors.close();
    await this.#recorder?.stop();
  }

  status(): Status {
    return {
      version: VERSION,
      pid: process.pid,
      upMs: Math.round(performance.now() - this.#startedAt),
      preset: this.#config.preset,
      calm: this.#config.calm ?? PRESET_CALM[this.#config.preset],
      protocolMax: this.#config.protocolMax,
      machine: this.#identity,
      pageIn: this.#pageIn,
      monitor: monitorStatus(this.#loop.state, performance.now()),
      shadow: this.#shadow?.status(performance.now()) ?? null,
      links: this.#links.counts(),
      missing: this.#missing,
      decisions: this.#journal.decisions(),
      notes: this.#journal.notes(),
    };
  }

  /** Why the size is what it is, and by which settings: sentences. */
  #explain(): readonly string[] {
    const { preset, calm } = this.#config;
    const why = explainMonitor(this.#loop.state, performance.now());
    return [...why, `How patiently sizes fall is a setting: ${sayPolicy(preset, calm)}.`];
  }

  /** Loaded only when it is asked for: a guest has no memory to spare for what it does not use. */
  async #startRecorder(): Promise<Recorder | null> {
    const { record: file } = this.#config;
    if (file === null) return null;
    const recording = await import("@selfscale/recording");
    const { log } = this.#ground;
    return await recording.Recorder.start({ file, app: "monitor", release: VERSION, log });
  }

  #coreConfig(): MonitorConfig {
    const { policy, probeScaleRequest, fileCache, reactStartMs } = this.#config;
    return {
      ...MONITOR_DEFAULTS,
      policy,
      probeScaleRequest,
      fileCache,
      rMaxBytesPerSec: this.#pageIn.maxBytesPerSec,
      tReactStartMs: reactStartMs,
      timers: { ...MONITOR_DEFAULTS.timers, ...this.#ground.timers },
    };
  }

  #createShadow(core: MonitorConfig): ShadowWatch | null {
    const { shadow } = this.#config;
    if (shadow === null) return null;
    const { preset, policy } = shadow;
    return new ShadowWatch({
      preset,
      initial: initialShadow({ ...core, policy }, performance.now()),
      onDifference: (levels) => this.#recorder?.tell({ kind: "shadow", preset, ...levels }),
      log: this.#ground.log,
    });
  }

  #createLoop(core: MonitorConfig): MonitorLoop {
    const { cpuEveryMs, memoryEveryMs } = this.#config;
    const { log, onCrash } = this.#ground;
    const world = {
      now: () => performance.now(),
      readMemory: (now: number, isFull: boolean): MemorySample | null =>
        (this.#memory = this.#sensors.readMemory(now, isFull)),
      readCpu: (): CpuSample | null => this.#sensors.readCpu(),
      perform: (action: MonitorAction) => this.#perform(action),
      crashed: (error: unknown, trace: unknown) => {
        log.fatal({ err: error, trace }, "the monitor made a mistake and ends");
        onCrash();
      },
    };
    const initial = initialMonitor(core, world.now());
    const cadence = { memoryEveryMs, cpuEveryMs };
    return new MonitorLoop(world, initial, { cadence, log, witnesses: this.#witnesses() });
  }

  #witnesses(): Witness[] {
    const { record, recordSamplesEveryMs: everyMs } = this.#config;
    const witnesses: Witness[] = [];
    const shadow = this.#shadow;
    if (shadow !== null) witnesses.push((live, event, now) => shadow.observe(live, event, now));
    if (record !== null && everyMs !== null) {
      const tape = new SampleTape(everyMs, (sample) => this.#recorder?.tell(sample));
      witnesses.push((live, event, now) => tape.observe(live, event, now));
    }
    return witnesses;
  }

  #createWatch(): PostgresWatch | null {
    if (this.#postgres === null) return null;
    return new PostgresWatch(this.#postgres.client, this.#config.anticipation, {
      now: () => performance.now(),
      mostBytes: () => this.#loop.state.session?.report?.max.memBytes ?? givenBytes(this.#memory),
      look: () => this.#loop.look(),
      reserve: (request) => this.#loop.reserve(request),
      feed: (event) => this.#loop.feed(event),
      log: this.#ground.log,
    });
  }

  #createLinks(): LinkServer {
    const { protocolMax, token, tls } = this.#config;
    const { log } = this.#ground;
    const now = () => performance.now();
    return new LinkServer({
      now,
      facts: () => ({
        protocolMax,
        features: FEATURES,
        identity: this.#identity,
        memBytes: givenBytes(this.#memory),
      }),
      onOpened: (link, opened) => this.#loop.feed({ kind: "link-opened", link, ...opened }),
      onFrame: (link, text) => this.#loop.onFrame(link, text),
      onClosed: (link, problem) => this.#loop.feed({ kind: "link-closed", link, problem }),
      log,
      tls: tls === null ? null : new Tls(tls, { log, now }),
      record: (address) => this.#recorder?.connection({ vm: null, address }) ?? null,
      auth: token === null ? openToAll : tokenAuth(token),
    });
  }

  #createLocalApi(): LocalApi {
    const { status, statusGroup } = this.#config;
    const now = () => performance.now();
    return new LocalApi(status, statusGroup, {
      status: () => this.status(),
      explain: () => this.#explain(),
      reservations: () => viewOf(monitorStatus(this.#loop.state, now()).reservations, now()),
      hasReservation: (id) =>
        this.#loop.state.reservations.active.some(({ request }) => request.id === id),
      desk: this.#desk,
    });
  }

  #createGrantedFile(): GrantedFile {
    return new GrantedFile({
      path: `${this.#config.status}.granted`,
      bootId: this.#identity.bootId,
      now: () => performance.now(),
      log: this.#ground.log,
    });
  }

  #createPostgres(): PostgresSide | null {
    const { postgres } = this.#config;
    if (postgres === null) return null;
    const now = () => performance.now();
    return new PostgresSide(postgres, {
      now,
      state: () => this.#loop.state,
      decisions: () => this.#journal.decisions(),
      explain: () => this.#explain(),
      reserve: (request) => this.#loop.reserve(request),
      feed: (event) => this.#loop.feed(event),
      log: this.#ground.log,
    });
  }

  #perform(action: MonitorAction): void {
    switch (action.kind) {
      case "send-frame":
        this.#links.send(action.link, action.text);
        break;
      case "close-link":
        this.#links.close(action.link, action.code, action.reason);
        break;
      case "set-file-cache":
        this.#watch?.setFileCache(action);
        break;
      case "set-online-cpus":
        void this.#hands.setOnlineCpus(action.count).then(() => this.#loop.look(0));
        break;
      case "online-memory":
        void this.#hands.onlineMemory(performance.now()).then(() => this.#loop.look());
        break;
      case "reservation-changed":
        this.#granted.save(grantedOf(this.#loop.state.reservations), (id) =>
          this.#desk.standsAlone(id),
        );
        this.#desk.heed(action);
        this.#postgres?.heed(action);
        break;
      case "decide":
        this.#journal.decide(action.decision);
        break;
      case "explain":
        this.#journal.explain(action.note);
        break;
      default:
        action satisfies never;
    }
  }
}

/** All RAM that QEMU gives, as far as the guest can tell. */
function givenBytes(memory: MemorySample | null): number | null {
  const blocks = memory?.blocks ?? null;
  return blocks === null ? null : blocks.onlineCount * blocks.blockBytes;
}

function isEverywhere(address: string): boolean {
  return address === "0.0.0.0" || address === "::";
}
