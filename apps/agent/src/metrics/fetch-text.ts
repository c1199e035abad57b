import http from "node:http";
import https from "node:https";

/** What kept a page from us. A closed list: problems are counted by it, and said once each. */
export type FetchOutcome =
  /** The system or TLS says no: nobody listens, no route, the connection broke off. */
  | "unreachable"
  | "timed-out"
  /** Any status but 200. A redirect is one: what is followed would be the guest's choice. */
  | "refused"
  | "too-large"
  /** Compressed. It was not asked for, and a small one may unpack to any size. */
  | "encoded"
  /** No HTTP. */
  | "malformed"
  /** We ended it ourselves. */
  | "stopped";

/** Why there is no text. `message` names nothing that the server wrote, but a status. */
export class FetchError extends Error {
  override readonly name = "FetchError";
  readonly code = "FETCH_FAILED";
  readonly outcome: FetchOutcome;

  constructor(outcome: FetchOutcome, message: string, options?: ErrorOptions) {
    super(message, options);
    this.outcome = outcome;
  }
}

export type FetchLimits = Readonly<{ timeoutMs: number; maxBytes: number }>;

/**
 * One GET, no redirects, whole body as text. The deadline covers all of it: a server that drips
 * ends like one that is mute.
 *
 * Each has a connection of its own, closed at its end: at most one is open per caller, whatever servers would like to
 * keep, and none is found dead that was kept over a guest's restart.
 */
export function fetchText(url: string, limits: FetchLimits, signal: AbortSignal): Promise<string> {
  const deadline = AbortSignal.timeout(limits.timeoutMs);
  return new Promise<string>((resolve, reject) => {
    const fail = (outcome: FetchOutcome, problem: string, cause?: unknown) => {
      reject(new FetchError(outcome, problem, { cause }));
      request.destroy();
    };
    const failed = (error: Error) => {
      const problem = (error as NodeJS.ErrnoException).code ?? error.message;
      if (signal.aborted) fail("stopped", "stopped", error);
      else if (deadline.aborted)
        fail("timed-out", `no whole answer in ${limits.timeoutMs} ms`, error);
      else fail(problem.startsWith("HPE_") ? "malformed" : "unreachable", problem, error);
    };
    const request = (url.startsWith("https:") ? https : http).get(
      url,
      {
        agent: false,
        signal: AbortSignal.any([signal, deadline]),
        headers: { Accept: "text/plain", "Accept-Encoding": "identity" },
      },
      (response) => {
        const problem = headProblem(response);
        if (problem !== null) {
          fail(...problem);
          return;
        }
        const chunks: Buffer[] = [];
        let bytes = 0;
        response.on("data", (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes > limits.maxBytes) fail("too-large", `more than ${limits.maxBytes} bytes`);
          else chunks.push(chunk);
        });
        response.on("end", () => resolve(Buffer.concat(chunks).toString()));
        response.on("error", failed);
      },
    );
    request.on("error", failed);
  });
}

function headProblem({
  statusCode = 0,
  headers,
}: http.IncomingMessage): readonly [FetchOutcome, string] | null {
  if (statusCode !== 200) return ["refused", `HTTP ${statusCode}`];
  const encoding = headers["content-encoding"] ?? "identity";
  return encoding === "identity" ? null : ["encoded", "the page is compressed"];
}
