import { type IncomingMessage } from "node:http";

/** More is not a wish. */
const MAX_BODY_BYTES = 16_384;

type Body = Readonly<{ ok: true; text: string }> | Readonly<{ ok: false; problem: string }>;

/**
 * All of a request's body; a problem when it is too long; null when it was cut off. Never rejects. How long it may take
 * is the server's `requestTimeout`.
 */
export function readBody(request: IncomingMessage): Promise<Body | null> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= MAX_BODY_BYTES) chunks.push(chunk);
      else {
        request.pause();
        resolve({ ok: false, problem: `a body has at most ${MAX_BODY_BYTES} bytes` });
      }
    });
    request.once("end", () => {
      resolve({ ok: true, text: Buffer.concat(chunks).toString("utf8") });
    });
    const cut = () => {
      resolve(null);
    };
    request.once("error", cut);
    request.once("close", cut); // after "end" it changes nothing
  });
}
