// `status --watch`: the table again every second, until it is interrupted.
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { ask, ControlError } from "./client.ts";
import { type AgentStatus } from "./routes.ts";
import { statusTable } from "./status-table.ts";

const EVERY_MS = 1_000;
/** Cursor home, and everything cleared from there. */
const REDRAW = "\u001b[H\u001b[J";

/**
 * On a terminal the table is redrawn; elsewhere a block is appended for each change, with its time. An agent that goes
 * is said and waited for. Rejects with ControlError only when there was none to begin with.
 */
export async function watchStatus(socket: string, isJson: boolean): Promise<void> {
  const stop = new AbortController();
  const end = () => stop.abort();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, end);
  process.stdout.on("error", end); // whoever read it is gone
  const isTerminal = process.stdout.isTTY && !isJson;
  let last = "";
  for (let looks = 0; !stop.signal.aborted; looks += 1) {
    const seen = await look(socket, isJson, isTerminal).catch((error: unknown) => {
      if (looks === 0 || !(error instanceof ControlError)) throw error;
      return { key: error.message, text: `${error.message}\n` };
    });
    if (isTerminal) process.stdout.write(`${REDRAW}${seen.text}`);
    else if (seen.key !== last) process.stdout.write(seen.text);
    last = seen.key;
    // Interrupted while waiting: the loop's own condition ends it.
    await delay(EVERY_MS, undefined, { signal: stop.signal }).catch(() => undefined);
  }
}

/** `key` is another one exactly when something happened; time alone is nothing. */
async function look(socket: string, isJson: boolean, isTerminal: boolean) {
  const json = await ask(socket, { method: "GET", path: "/status" });
  const status = JSON.parse(json) as AgentStatus;
  const key = statusTable(status, null);
  if (isJson) return { key, text: `${json}\n` };
  const now = Date.now();
  if (isTerminal) return { key, text: statusTable(status, now) };
  return { key, text: `${new Date(now).toISOString()}\n${statusTable(status, now)}\n` };
}
