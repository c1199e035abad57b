// Asks a running agent over its control socket.
import http from "node:http";
import { pipeline } from "node:stream/promises";
import { type Writable } from "node:stream";
import * as z from "zod";

const TIMEOUT_MS = 10_000;

/** Nobody answers, or the answer is no. Its message is for the operator. */
export class ControlError extends Error {
  override readonly name = "ControlError";
  readonly code = "CONTROL_FAILED";
}

const Refusal = z.object({ error: z.string() });

export type Request = Readonly<{ method: "GET" | "POST"; path: string; body?: object }>;

/** The answer's text. Rejects with ControlError. */
export async function ask(socketPath: string, request: Request): Promise<string> {
  const response = await send(socketPath, request);
  return readText(response).catch((error: unknown) => {
    throw unreachable(socketPath, error);
  });
}

/** The answer as it comes. Rejects with ControlError; what was written by then stays written. */
export async function askInto(socketPath: string, request: Request, out: Writable): Promise<void> {
  const response = await send(socketPath, request);
  await pipeline(response, out, { end: false }).catch((error: unknown) => {
    throw unreachable(socketPath, error);
  });
}

/** Rejects for a refusal as well. */
async function send(socketPath: string, request: Request): Promise<http.IncomingMessage> {
  const response = await open(socketPath, request).catch((error: unknown) => {
    throw unreachable(socketPath, error);
  });
  if (response.statusCode === 200) return response;
  const said = Refusal.safeParse(parse(await readText(response).catch(() => "")));
  throw new ControlError(
    said.success ? said.data.error : `the agent answered with status ${response.statusCode ?? 0}`,
  );
}

function open(socketPath: string, request: Request): Promise<http.IncomingMessage> {
  const { method, path, body } = request;
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { "Content-Type": "application/json" };
    const asked = http.request({ socketPath, method, path, headers, signal }, resolve);
    asked.on("error", reject);
    asked.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

async function readText(response: http.IncomingMessage): Promise<string> {
  let text = "";
  response.setEncoding("utf8");
  for await (const chunk of response) text += chunk as string;
  return text;
}

/** undefined for what is no JSON: no refusal of ours then. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function unreachable(socketPath: string, error: unknown): ControlError {
  const code = (error as NodeJS.ErrnoException).code ?? String(error);
  return new ControlError(`no agent answers on ${socketPath} (${code})`, { cause: error });
}
