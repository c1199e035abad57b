// The real agent as its own process, from its bundle: started with a configuration, watched by its status and its log.
import { spawn, type ChildProcess } from "node:child_process";
import { createWriteStream } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { stringify } from "yaml";
import { makeRunDir } from "./cleanup.ts";
import { until } from "./until.ts";

export const AGENT_BUNDLE = "dist/selfscale-agent.cjs";

/** One line of the agent's log. */
export type LogLine = Readonly<
  Record<string, unknown> & { msg?: string; vm?: string; reason?: string }
>;

/** One VM as `GET /status` shows it. Sizes are { milliCpu, memBytes }. */
export type VmLadder = Readonly<{
  name: string;
  mode: "held" | "compute-controlled" | "metrics-based";
  desired: SizeView | null;
  permit: SizeView | null;
  requested: SizeView | null;
  actual: SizeView | null;
  held: SizeView | null;
  reason: string | null;
  wishReason: string | null;
  sharing: Readonly<{ share: SizeView; recall: SizeView | null }>;
  verdict: Readonly<{
    rule: string;
    text: string;
    holders: readonly Readonly<{ vm: string }>[];
  }> | null;
  legacyGoal: number | null;
  problems: readonly string[];
  link: Readonly<{ state: string; version: number | null; identity: string }>;
  counters: Readonly<Record<string, number>>;
  /** What the log says once, counted: the same again in a row is one note more often. */
  notes: readonly Readonly<{ reason: string; message: string; times: number }>[];
}>;
export type SizeView = Readonly<{ milliCpu: number; memBytes: number }>;

export class AgentProcess {
  readonly dir: string;
  readonly config: Record<string, unknown>;
  readonly logPath: string;
  private readonly args: readonly string[];
  private child: ChildProcess | null = null;
  private bundle: string;

  private constructor(
    dir: string,
    config: Record<string, unknown>,
    { bundle, args }: Readonly<{ bundle: string; args: readonly string[] }>,
  ) {
    this.dir = dir;
    this.bundle = bundle;
    this.args = args;
    this.config = { ...config, socket: join(dir, "agent.sock") };
    this.logPath = join(dir, "agent.log");
  }

  /** Starts the bundle with this configuration (its `socket` is chosen here). */
  static async start(
    config: Record<string, unknown>,
    bundle = AGENT_BUNDLE,
    args: readonly string[] = [],
  ): Promise<AgentProcess> {
    const agent = new AgentProcess(await makeRunDir("agent"), config, { bundle, args });
    await agent.launch();
    return agent;
  }

  get pid(): number {
    const pid = this.child?.pid;
    if (pid === undefined) throw new Error("the agent is not running");
    return pid;
  }

  /** Starts it (again), with changes to its configuration, or from another bundle, if need be. */
  async launch(changes: Record<string, unknown> = {}, bundle = this.bundle): Promise<void> {
    this.bundle = bundle;
    Object.assign(this.config, changes);
    const path = join(this.dir, "agent.yaml");
    await writeFile(path, stringify(this.config));
    const agent = [process.execPath, this.bundle, "--config", path, ...this.args];
    // Killed by the kernel if we are; setpriv keeps the pid.
    const child = spawn("setpriv", ["--pdeathsig", "KILL", ...agent], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    child.stderr.pipe(createWriteStream(this.logPath, { flags: "a" }));
    this.child = child;
    await until("the agent answers on its status socket", async () => {
      if (child.exitCode !== null) throw new Error(`the agent exited: ${await this.logTail()}`);
      return (await this.vms()) !== null;
    });
  }

  /** Where it serves /metrics, as it said when it began. */
  async httpAddress(): Promise<string> {
    const begun = (await this.log()).findLast(({ msg }) => msg === "the agent runs");
    const address = begun?.["http"];
    if (typeof address !== "string") throw new Error("the agent serves no HTTP");
    return address;
  }

  /** Ends it as an operator would: it may settle what is in flight. To be launched again, perhaps as another release. */
  async halt(): Promise<void> {
    await this.end("SIGTERM");
  }

  /** Ends it the hard way: no time to settle anything. */
  async killHard(): Promise<void> {
    await this.end("SIGKILL");
  }

  /** Ends it as an operator would, and removes what it left. */
  async stop(): Promise<number | null> {
    const code = await this.end("SIGTERM");
    await rm(this.dir, { recursive: true, force: true });
    return code;
  }

  async status(): Promise<Record<string, unknown> | null> {
    const text = await getOverSocket(String(this.config["socket"]), "/status");
    return text === null ? null : (JSON.parse(text) as Record<string, unknown>);
  }

  async vms(): Promise<VmLadder[] | null> {
    const status = await this.status();
    return status === null ? null : (status["vms"] as VmLadder[]);
  }

  async vm(name: string): Promise<VmLadder> {
    const vm = (await this.vms())?.find((candidate) => candidate.name === name);
    if (vm === undefined) throw new Error(`the agent shows no VM ${name}`);
    return vm;
  }

  async log(): Promise<LogLine[]> {
    const lines = (await readFile(this.logPath, "utf8").catch(() => "")).split("\n");
    return lines.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line) as LogLine);
  }

  async logTail(lines = 12): Promise<string> {
    const text = await readFile(this.logPath, "utf8").catch(() => "(no log)");
    return text.trimEnd().split("\n").slice(-lines).join("\n");
  }

  private async end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.child;
    this.child = null;
    if (child === null || child.exitCode !== null) return child?.exitCode ?? null;
    const exited = new Promise<number | null>((resolve) => child.once("exit", resolve));
    child.kill(signal);
    return await exited;
  }
}

/** null when nobody answers there yet. */
async function getOverSocket(socketPath: string, path: string): Promise<string | null> {
  return await new Promise((resolve) => {
    const call = request({ socketPath, path, timeout: 5_000 }, (reply) => {
      let body = "";
      reply.setEncoding("utf8");
      reply.on("data", (chunk: string) => (body += chunk));
      reply.on("end", () => resolve(body));
    });
    call.on("error", () => resolve(null));
    call.on("timeout", () => call.destroy());
    call.end();
  });
}
