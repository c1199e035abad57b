import { type ChildProcess, spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { until } from "./until.ts";

/** The monitor's program in one file, as it is released, in a folder of its own. */
export class Program {
  readonly dir = fs.mkdtempSync(path.join(os.tmpdir(), "selfscale-program-"));
  readonly #file = path.join(this.dir, "monitor.cjs");

  async build(): Promise<void> {
    await build({
      entryPoints: [fileURLToPath(new URL("../main.ts", import.meta.url))],
      bundle: true,
      platform: "node",
      target: "node20",
      format: "cjs",
      outfile: this.#file,
      logLevel: "error",
    });
  }

  start(...args: readonly string[]): Started {
    return new Started([this.#file, ...args]);
  }

  remove(): void {
    fs.rmSync(this.dir, { recursive: true });
  }
}

/** A process that runs it, and all that it said. */
export class Started {
  readonly child: ChildProcess;
  out = "";
  err = "";
  #exit: number | string | null = null;

  constructor(args: readonly string[]) {
    this.child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
    this.child.stdout?.on("data", (data: Buffer) => (this.out += data.toString()));
    this.child.stderr?.on("data", (data: Buffer) => (this.err += data.toString()));
    this.child.on("close", (code, signal) => (this.#exit = code ?? signal ?? "unknown"));
  }

  /** Its exit code, or the signal that ended it. */
  exited(): Promise<number | string> {
    return until("the process ended", () => this.#exit, 20_000);
  }

  /** Log lines, parsed. */
  lines(): Record<string, unknown>[] {
    const whole = this.err.split("\n").slice(0, -1);
    return whole.map((line) => JSON.parse(line) as Record<string, unknown>);
  }
}
