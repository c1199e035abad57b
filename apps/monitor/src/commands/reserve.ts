import { type ChildProcess, spawn } from "node:child_process";
import { type IncomingMessage } from "node:http";
import os from "node:os";
import { open, textOf, UnreachableError } from "../local-api/client.ts";
import { type ReserveOptions } from "./reserve-options.ts";

/** Beside the command's own: as env(1) and timeout(1) have them. */
export const EXIT_REFUSED = 124;
export const EXIT_NO_MONITOR = 125;
const EXIT_CANT_RUN = 126;
const EXIT_NO_COMMAND = 127;
/** A shell's way to tell which signal ended a command. */
const EXIT_SIGNALLED = 128;

const PASSED_ON = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const;

/** A monitor that has not answered so long after the wait is over will not. */
const GRACE_MS = 5_000;

type Say = (line: string) => void;

/** What the monitor says of the reservation: lines of JSON, the first when it is granted. */
type Word = Readonly<{ state: string; text: string; error?: string }>;

/**
 * Waits until it is granted, runs the command, and gives back when that has ended. Resolves with the exit code. The
 * reservation is bound to the connection, so it ends with this process whatever happens to it.
 */
export async function reserve(options: ReserveOptions, say: Say): Promise<number> {
  const held = await ask(options);
  if (held.kind === "no") {
    const isRun = options.ifRefused === "proceed";
    say(`${held.problem}${isRun ? "; the command runs all the same" : ""}`);
    return isRun ? await run(options.command, say) : held.exitCode;
  }
  let isOver = false;
  held.onEnd((text) => {
    if (!isOver) say(`the reservation has ended (${text}); the command goes on`);
  });
  const exitCode = await run(options.command, say);
  isOver = true;
  held.release();
  return exitCode;
}

type Held =
  | Readonly<{ kind: "yes"; onEnd(tell: (text: string) => void): void; release(): void }>
  | Readonly<{ kind: "no"; problem: string; exitCode: number }>;

async function ask({ socketPath, wish, waitMs }: ReserveOptions): Promise<Held> {
  const path = "/reservations";
  try {
    const timeoutMs = waitMs + GRACE_MS;
    const body = JSON.stringify(wish);
    const response = await open(socketPath, { method: "POST", path }, { body, timeoutMs });
    if (response.statusCode === 200) return holding(response);
    const { text, error } = parseWord(await textOf(response));
    return { kind: "no", problem: `not granted: ${error ?? text}`, exitCode: EXIT_REFUSED };
  } catch (error) {
    if (error instanceof UnreachableError) {
      return { kind: "no", problem: error.message, exitCode: EXIT_NO_MONITOR };
    }
    const problem = `the monitor went away: ${(error as Error).message}`;
    return { kind: "no", problem, exitCode: EXIT_NO_MONITOR };
  }
}

function holding(response: IncomingMessage): Held {
  let last = "";
  let rest = "";
  response.setEncoding("utf8");
  response.on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    last = lines.at(-1) ?? last;
  });
  const onEnd = (tell: (text: string) => void) => {
    response.once("close", () => {
      const { state, text } = parseWord(last);
      tell(state === "ended" ? text : "the monitor is gone");
    });
    response.once("error", () => {}); // the close that follows is what counts
  };
  return { kind: "yes", onEnd, release: () => response.destroy() };
}

function parseWord(text: string): Word {
  try {
    const { state = "", text: said = "", ...more } = JSON.parse(text) as Partial<Word>;
    return { state, text: said, ...more };
  } catch {
    // Cut off, or no monitor of ours: what came is the best explanation there is.
    return { state: "", text: text.trim() };
  }
}

/** Resolves with the command's exit code, as a shell would tell it. */
function run([program, ...args]: ReserveOptions["command"], say: Say): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: "inherit" });
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
