// Programs of the machine, run to their end: for building, never for guests.
import { spawn } from "node:child_process";

export type RunOptions = Readonly<{ input?: string; cwd?: string }>;

/** depmod and mkfs.ext4 are not on everybody's path. */
const PATH = `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`;

/** Runs a program and gives what it printed. Throws with the end of its complaints if it fails. */
export async function run(
  command: string,
  args: readonly string[],
  { input, cwd }: RunOptions = {},
): Promise<string> {
  return await new Promise((resolve, reject) => {
    // A program must not go on alone when we are killed.
    const child = spawn("setpriv", ["--pdeathsig", "TERM", command, ...args], {
      cwd,
      // Messages are parsed and shown: they must not depend on the machine's language.
      env: { ...process.env, PATH, LC_ALL: "C.UTF-8", DEBIAN_FRONTEND: "noninteractive" },
    });
    let [stdout, stderr] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => (stdout += chunk));
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      stderr = (stderr + chunk).slice(-8_000);
    });
    child.on("error", (cause) => reject(new Error(`${command} did not start`, { cause })));
    child.on("close", (code, signal) => {
      if (code === 0) resolve(stdout);
      else reject(new Error(`${command} ended with ${code ?? signal ?? "?"}:\n${stderr.trim()}`));
    });
    // A program that does not read its input ends the pipe; its exit code tells the rest.
    child.stdin.on("error", () => undefined);
    child.stdin.end(input ?? "");
  });
}

const STILL_EVERY_MS = 10_000;

/** One line about what is being built, one now and then while it is, one when it is done. */
export async function announce<T>(what: string, work: () => Promise<T>): Promise<T> {
  const startedAt = performance.now();
  const seconds = () => ((performance.now() - startedAt) / 1000).toFixed(1);
  process.stderr.write(`guest: ${what} ...\n`);
  const still = setInterval(() => {
    process.stderr.write(`guest: ${what}: ${seconds()} s and still at it\n`);
  }, STILL_EVERY_MS);
  try {
    const result = await work();
    process.stderr.write(`guest: ${what}: ${seconds()} s\n`);
    return result;
  } finally {
    clearInterval(still);
  }
}
