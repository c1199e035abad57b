// A small monitor that keeps every rule, or all but one: what the kit's checks are checked with.
import http, { type IncomingMessage } from "node:http";
import { type AddressInfo } from "node:net";
import { type Duplex } from "node:stream";
import { WebSocketServer, type WebSocket } from "ws";
import { type Defect } from "./monitor-defects.ts";
import { answerRange, type Script } from "./scripted-monitor-handshake.ts";
import { ScriptedLink } from "./scripted-monitor-link.ts";

const PATH = "/monitor";
const HANDSHAKE_MS = 4_000;
const MAX_PENDING = 16;
const TAKEOVERS = 10;
const TAKEOVER_EVERY_MS = 2_000;

export class ScriptedMonitor {
  readonly #script: Script;
  readonly #http = http.createServer((_request, response) => response.writeHead(404).end());
  readonly #ws: WebSocketServer;
  /** Connections without a range yet, oldest first. */
  readonly #pending = new Map<WebSocket, NodeJS.Timeout>();
  readonly #sockets = new Set<Duplex>();
  #link: ScriptedLink | null = null;
  #opened = 0;
  #takeovers = TAKEOVERS;
  #countedAt = performance.now();
  #wasCut = false;

  constructor(script: Partial<Script> = {}) {
    this.#script = { defect: null, speaks: 2, token: null, ...script };
    this.#ws = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      autoPong: !this.#is("ignores-pings"),
      skipUTF8Validation: this.#is("takes-any-bytes"),
      perMessageDeflate: this.#is("takes-extension"),
      maxPayload: this.#maxPayload(),
      handleProtocols: (offered) => this.#is("takes-subprotocol") && ([...offered][0] ?? false),
    });
    this.#http.on("connection", (socket: Duplex) => {
      this.#sockets.add(socket);
      socket.on("error", () => socket.destroy());
      socket.once("close", () => this.#sockets.delete(socket));
    });
    this.#http.on("upgrade", (request, socket, head) => this.#onUpgrade(request, socket, head));
  }

  /** Resolves with the address to dial. */
  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#http.listen(0, "127.0.0.1", resolve));
    return `ws://127.0.0.1:${(this.#http.address() as AddressInfo).port}${PATH}`;
  }

  async stop(): Promise<void> {
    this.#link?.end();
    for (const deadline of this.#pending.values()) clearTimeout(deadline);
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#http.close(resolve));
  }

  #is(defect: Defect): boolean {
    return this.#script.defect === defect;
  }

  #maxPayload(): number {
    if (this.#is("takes-large-frames")) return 1_048_576;
    return this.#is("refuses-limit") ? 32_767 : 32_768;
  }

  #onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const path = this.#is("minds-queries") ? request.url : request.url?.split("?", 1)[0];
    if (path !== PATH && !this.#is("serves-every-path")) {
      const status = this.#is("bad-request") ? "400 Bad Request" : "404 Not Found";
      socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`);
      return;
    }
    if (!this.#admits(request.headers.authorization ?? "")) {
      if (this.#is("refused-displaces")) this.#link?.close(4000, "somebody knocked");
      const status = this.#is("forbids") ? "403 Forbidden" : "401 Unauthorized";
      socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`);
      return;
    }
    this.#ws.handleUpgrade(request, socket, head, (peer) => this.#greet(peer, socket));
  }

  #admits(shown: string): boolean {
    const { token } = this.#script;
    if (token === null) return true;
    if (this.#is("admits-nobody")) return false;
    const proof = `Bearer ${token}`;
    return this.#is("admits-prefix") ? shown.startsWith(proof) : shown === proof;
  }

  #greet(peer: WebSocket, socket: Duplex): void {
    peer.on("error", () => undefined); // ws closes by itself
    if (this.#wasCut && this.#is("dies-of-abrupt-end")) {
      this.#wasCut = false;
      peer.terminate();
      return;
    }
    if (this.#is("replaces-at-upgrade")) this.#link?.close(4000, "replaced");
    if (this.#is("speaks-first")) {
      setTimeout(() => this.#pending.has(peer) && peer.send('{"version":1}'), 300);
    }
    const [oldest] = this.#pending.keys();
    if (this.#pending.size >= MAX_PENDING && !this.#is("keeps-all-unfinished")) oldest?.terminate();
    const deadline = setTimeout(() => {
      if (!this.#is("waits-for-range")) peer.terminate();
    }, HANDSHAKE_MS);
    this.#pending.set(peer, deadline);
    peer.once("close", () => this.#settle(peer));
    peer.once("message", (data) => this.#onRange(peer, socket, (data as Buffer).toString()));
  }

  /** No longer an unfinished handshake. */
  #settle(peer: WebSocket): void {
    clearTimeout(this.#pending.get(peer));
    this.#pending.delete(peer);
  }

  #onRange(peer: WebSocket, socket: Duplex, text: string): void {
    const answer = answerRange(text, this.#script, this.#opened);
    if (!answer.ok) {
      if (this.#is("replaces-on-bad-range")) this.#link?.close(4000, "replaced");
      this.#refuse(peer, socket, answer);
      return;
    }
    if (this.#link?.isOpen === true && !this.#mayTakeOver()) {
      peer.close(this.#is("refuses-takeover-oddly") ? 1002 : 1013, "too many takeovers");
      return;
    }
    this.#settle(peer);
    if (!this.#is("keeps-old-link"))
      this.#link?.close(this.#is("replaces-without-word") ? 1001 : 4000, "replaced");
    peer.send(answer.reply);
    const opened = this.#opened++;
    this.#link = new ScriptedLink(peer, { ...answer, defect: this.#script.defect, opened });
    peer.once("close", (code) => (this.#wasCut ||= code === 1006));
  }

  #refuse(
    peer: WebSocket,
    socket: Duplex,
    { reply, problem }: Readonly<{ reply: string; problem: string }>,
  ): void {
    if (!this.#is("refuses-silently")) peer.send(reply);
    if (this.#is("keeps-refused")) return;
    const reason = Buffer.from(problem);
    if (this.#is("long-close-reason") && reason.length > 123) {
      // No library writes such a frame: one that was written by hand may.
      const head = Buffer.from([0x88, 126, (reason.length + 2) >> 8, (reason.length + 2) & 255]);
      socket.end(Buffer.concat([head, Buffer.from([0x03, 0xea]), reason]));
      return;
    }
    peer.close(
      this.#is("one-close-code") ? 1008 : 1002,
      reason.subarray(0, 100).toString("latin1").slice(0, 50),
    );
  }

  #mayTakeOver(): boolean {
    if (this.#is("no-takeover-bucket")) return true;
    const now = performance.now();
    if (!this.#is("bucket-stays-empty")) {
      const back = (now - this.#countedAt) / TAKEOVER_EVERY_MS;
      this.#takeovers = Math.min(TAKEOVERS, this.#takeovers + back);
    }
    this.#countedAt = now;
    if (this.#takeovers < 1) return false;
    this.#takeovers--;
    return true;
  }
}
