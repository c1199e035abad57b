import { type RequestListener } from "node:http";
// Costs a small guest nothing: ws has loaded it already.
import https from "node:https";
import { type Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import { type Logger } from "pino";
import { readTlsFiles, type TlsFiles } from "./tls-files.ts";

/** New files are looked for at most this often, when somebody connects. */
const LOOK_EVERY_MS = 5_000;

/** Serves the files of `tls`, and their successors: a renewed certificate needs no restart. */
export class Tls {
  readonly #files: TlsFiles;
  readonly #log: Logger;
  readonly #now: () => number;
  #inUse = "";
  #lookedAt = -Infinity;
  #lastProblem: string | null = null;

  constructor(files: TlsFiles, { log, now }: Readonly<{ log: Logger; now: () => number }>) {
    this.#files = files;
    this.#log = log;
    this.#now = now;
  }

  /**
   * HTTP under TLS. A peer whose certificate is missing or bad still finishes its TLS handshake:
   * `problemWith` refuses it at the upgrade, with an answer that its operator can understand.
   */
  createServer(onRequest: RequestListener): https.Server {
    const { options, digest } = readTlsFiles(this.#files);
    this.#inUse = digest;
    this.#lookedAt = this.#now();
    const server = https.createServer(
      {
        ...options,
        requestCert: this.#files.clientCa !== null,
        rejectUnauthorized: false,
      },
      onRequest,
    );
    // Before node's own listener: who makes us look is served with what we find.
    server.prependListener("connection", () => this.#look(server));
    return server;
  }

  /** Why the peer's certificate proves nothing; null when it does, or when none is asked for. */
  problemWith(socket: Duplex): string | null {
    if (this.#files.clientCa === null) return null;
    if (!(socket instanceof TLSSocket)) return "connection without TLS";
    if (socket.authorized) return null;
    if (socket.getPeerX509Certificate() === undefined) {
      return "connection without a client certificate";
    }
    // The code, as OpenSSL names it; the type is wrong to say that it is an Error.
    return `client certificate refused: ${String(socket.authorizationError)}`;
  }

  /** A file that can't be used leaves the old ones in place. Both files may be half written. */
  #look(server: https.Server): void {
    if (this.#now() - this.#lookedAt < LOOK_EVERY_MS) return;
    this.#lookedAt = this.#now();
    try {
      const { options, digest, validTo } = readTlsFiles(this.#files);
      this.#lastProblem = null;
      if (digest === this.#inUse) return;
      server.setSecureContext(options);
      this.#inUse = digest;
      this.#log.info({ validTo }, "the TLS files changed and are in use");
    } catch (error) {
      const { message } = error as Error;
      if (message === this.#lastProblem) return;
      this.#lastProblem = message;
      this.#log.warn({ problem: message }, "the TLS files can't be used, the old ones stay");
    }
  }
}
