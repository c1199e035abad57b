import { type ChildProcess, spawn, type StdioOptions } from "node:child_process";
import { type Socket } from "node:net";
import os from "node:os";
import { ask, Holding, type Say } from "./holding.ts";
import { type ReserveOptions } from "./reserve-options.ts";

/** Beside the command's own: as env(1) and timeout(1) have them. */
export const EXIT_REFUSED = 124;
export const EXIT_NO_MONITOR = 125;
const EXIT_CANT_RUN = 126;
const EXIT_NO_COMMAND = 127;
/** A shell's way to tell which signal ended a command. */
const EXIT_SIGNALLED = 128;

const PASSED_ON = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const;

/** The command's number for the connection: above those that scripts use, and below the limit of any user. */
const HELD_FD = 60;

/**
 * Waits until it is granted, runs the command, and gives back when that has ended. Resolves with the exit code. The
 * reservation is bound to the connection, which the command inherits: should this process be killed, it lasts as long as the
 * command does.
 */
export async function reserve(options: ReserveOptions, say: Say): Promise<number> {
  const held = await ask(options);
  if (!(held instanceof Holding)) {
    const isRun = options.ifRefused === "proceed";
    const problem = held.isHeard ? `not granted: ${held.problem}` : held.problem;
    say(`${problem}${isRun ? "; the command runs all the same" : ""}`);
    if (isRun) return await run(options.command, null, say);
    return held.isHeard ? EXIT_REFUSED : EXIT_NO_MONITOR;
  }
  void held.keep(say);
  const exitCode = await run(options.command, held.socket, say);
  held.release();
  return exitCode;
}

/** Resolves with the command's exit code, as a shell would tell it. */
function run(
  [program, ...args]: ReserveOptions["command"],
  held: Socket | null,
  say: Say,
): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: stdioWith(held) });
    held?.resume(); // node stops reading what a child inherits, and we want to hear its end
    const stopPassing = passSignalsTo(child);
    child.once("error", (error: NodeJS.ErrnoException) => {
      stopPassing();
      say(`${program}: can't be run: ${error.message}`);
      resolve(error.code === "ENOENT" ? EXIT_NO_COMMAND : EXIT_CANT_RUN);
    });
    child.once("exit", (code, signal) => {
      stopPassing();
      resolve(code ?? EXIT_SIGNALLED + (signal === null ? 0 : os.constants.signals[signal]));
    });
  });
}

/** A connection that has just ended has nothing to inherit. */
function stdioWith(held: Socket | null): StdioOptions {
  const stdio: StdioOptions = ["inherit", "inherit", "inherit"];
  if (held === null || held.destroyed) return stdio;
  const between = Array.from({ length: HELD_FD - stdio.length }, () => "ignore" as const);
  return [...stdio, ...between, held];
}

/** What would end us goes to the command, which decides. A terminal sends its Ctrl-C to both by itself. */
function passSignalsTo(child: ChildProcess): () => void {
  const isTerminal = process.stdin.isTTY;
  const passers = PASSED_ON.map((signal) => {
    const byTerminal = isTerminal && (signal === "SIGINT" || signal === "SIGQUIT");
    const pass = () => {
      if (!byTerminal) child.kill(signal);
    };
    process.on(signal, pass);
    return () => void process.off(signal, pass);
  });
  return () => {
    for (const off of passers) off();
  };
}
