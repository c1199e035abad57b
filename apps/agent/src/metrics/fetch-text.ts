import http from "node:http";
import https from "node:https";

/** Why there is no text. Stable wording per cause, so that it can be said once. */
export class FetchError extends Error {
  override readonly name = "FetchError";
  readonly code = "FETCH_FAILED";
}

export type FetchLimits = Readonly<{ timeoutMs: number; maxBytes: number }>;

/**
 * One GET, no redirects, whole body as text. The deadline covers all of it: a server that drips
 * ends like one that is mute.
 */
export function fetchText(url: string, limits: FetchLimits, signal: AbortSignal): Promise<string> {
  const deadline = AbortSignal.timeout(limits.timeoutMs);
  return new Promise<string>((resolve, reject) => {
    const fail = (problem: string, cause?: unknown) => {
      reject(new FetchError(problem, { cause }));
      request.destroy();
    };
    const failed = (error: Error) => {
      if (signal.aborted) fail("stopped", error);
      else if (deadline.aborted) fail(`no whole answer in ${limits.timeoutMs} ms`, error);
      else fail((error as NodeJS.ErrnoException).code ?? error.message, error);
    };
    const request = (url.startsWith("https:") ? https : http).get(
      url,
      { signal: AbortSignal.any([signal, deadline]), headers: { Accept: "text/plain" } },
      (response) => {
        const { statusCode = 0 } = response;
        if (statusCode !== 200) fail(`HTTP ${statusCode}`);
        const chunks: Buffer[] = [];
        let bytes = 0;
        response.on("data", (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes > limits.maxBytes) fail(`more than ${limits.maxBytes} bytes`);
          else chunks.push(chunk);
        });
        response.on("end", () => resolve(Buffer.concat(chunks).toString()));
        response.on("error", failed);
      },
    );
    request.on("error", failed);
  });
}
