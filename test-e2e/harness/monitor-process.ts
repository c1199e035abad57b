// The real monitor as a process of this machine, from its bundle: for tests that need no guest around it.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { type LogLine } from "./agent-process.ts";
import { until } from "./until.ts";

export const MONITOR_BUNDLE = "dist/selfscale-monitor.cjs";

export class MonitorProcess {
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #said: () => string;
  readonly #metricsPort: number;
  readonly #socket: string;

  private constructor(
    parts: Readonly<{ child: ChildProcess; said: () => string; started: LogLine; socket: string }>,
  ) {
    this.#child = parts.child;
    this.#said = parts.said;
    this.#socket = parts.socket;
    this.port = Number(parts.started["port"]);
    this.#metricsPort = Number(parts.started["metricsPort"]);
  }

  /** On ports of its own choosing, its socket in `dir`. */
  static async start(dir: string, args: readonly string[]): Promise<MonitorProcess> {
    const socket = join(dir, "monitor.sock");
    const places = ["--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"];
    const monitor = [process.execPath, MONITOR_BUNDLE, ...places, "--status", socket, ...args];
    // Killed by the kernel if we are; setpriv keeps the pid.
    const child = spawn("setpriv", ["--pdeathsig", "KILL", ...monitor], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let text = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (more: string) => (text += more));
    }
    const started = await until("the monitor has started", () => {
      if (child.exitCode !== null) throw new Error(`the monitor ended: ${text}`);
      return linesOf(text).find(({ msg }) => msg === "started");
    });
    return new MonitorProcess({ child, said: () => text, started, socket });
  }

  /** All that it printed, whatever it was. */
  get output(): string {
    return this.#said();
  }

  log(): readonly LogLine[] {
    return linesOf(this.output);
  }

  async metrics(): Promise<string> {
    return await (await fetch(`http://127.0.0.1:${this.#metricsPort}/metrics`)).text();
  }

  /** What the status command prints, for programs or for people. */
  async status(...options: readonly string[]): Promise<string> {
    const args = [MONITOR_BUNDLE, "status", "--status", this.#socket, ...options];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (more: string) => (text += more));
    await once(child, "close");
    return text;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGTERM");
    await exited;
  }
}

function linesOf(text: string): readonly LogLine[] {
  const lines = text.split("\n").filter((line) => line.startsWith("{") && line.endsWith("}"));
  return lines.map((line) => JSON.parse(line) as LogLine);
}
