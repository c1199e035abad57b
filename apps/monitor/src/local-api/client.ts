import http, { type IncomingMessage } from "node:http";

const TIMEOUT_MS = 5_000;

/** The monitor did not answer at all. */
export class UnreachableError extends Error {
  override readonly name = "UnreachableError";
  readonly code = "MONITOR_UNREACHABLE";
}

/** What `GET path` over this socket gives, as it comes. Rejects when nobody answers in time. */
export async function fetchText(
  socketPath: string,
  path: string,
  timeoutMs = TIMEOUT_MS,
): Promise<string> {
  const signal = AbortSignal.timeout(timeoutMs);
  const response = await open(socketPath, { method: "GET", path, signal }, { timeoutMs });
  const text = await textOf(response);
  if (response.statusCode === 200) return text;
  throw new Error(`the monitor answers ${response.statusCode ?? "nothing"}: ${text.trim()}`);
}

/**
 * The head of the answer, which must come within `timeoutMs`; its body is read by who asked. Rejects with
 * UnreachableError.
 */
export function open(
  socketPath: string,
  options: http.RequestOptions,
  { body = "", timeoutMs }: Readonly<{ body?: string; timeoutMs: number }>,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = http.request({ ...options, socketPath, agent: false });
    const late = setTimeout(() => request.destroy(new Error("no answer in time")), timeoutMs);
    request.once("response", (response) => {
      clearTimeout(late);
      resolve(response);
    });
    request.once("error", (error) => {
      clearTimeout(late);
      const problem = `no monitor answers on ${socketPath}: ${error.message}`;
      reject(new UnreachableError(problem, { cause: error }));
    });
    request.end(body);
  });
}

export async function textOf(response: IncomingMessage): Promise<string> {
  let text = "";
  response.setEncoding("utf8");
  for await (const chunk of response) text += chunk as string;
  return text;
}
