// Our own monitor as real processes, from its real bundle, on this machine. No check makes it take a CPU offline: the
// kit never asks for fewer of them.
import { type ChildProcess, spawn } from "node:child_process";
import { build } from "esbuild";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { until } from "./until.ts";

export class OurMonitors {
  readonly dir = fs.mkdtempSync(path.join(os.tmpdir(), "selfscale-conform-"));
  readonly #bundle = path.join(this.dir, "monitor.cjs");
  readonly #children: ChildProcess[] = [];

  async build(): Promise<void> {
    await build({
      entryPoints: [fileURLToPath(new URL("../../../monitor/src/main.ts", import.meta.url))],
      bundle: true,
      platform: "node",
      target: "node20",
      format: "cjs",
      outfile: this.#bundle,
      logLevel: "error",
    });
  }

  /** Resolves with the address of a fresh one. */
  async start(args: readonly string[] = []): Promise<string> {
    const socket = path.join(this.dir, `${this.#children.length}.sock`);
    const places = ["--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"];
    const child = spawn(process.execPath, [this.#bundle, ...places, "--status", socket, ...args], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#children.push(child);
    let log = "";
    child.stderr.on("data", (data: Buffer) => (log += data.toString()));
    const read = () => /"port":(\d+).*"started"/.exec(log);
    const started = await until("the monitor started", read, 30_000);
    return `ws://127.0.0.1:${started[1] ?? ""}/monitor`;
  }

  async stop(): Promise<void> {
    for (const child of this.#children) child.kill("SIGKILL");
    const isOver = ({ exitCode, signalCode }: ChildProcess) =>
      exitCode !== null || signalCode !== null;
    await until("the monitors ended", () => (this.#children.every(isOver) ? true : null));
    fs.rmSync(this.dir, { recursive: true });
  }
}
