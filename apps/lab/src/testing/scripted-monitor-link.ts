// The scripted monitor's side of one connection after its handshake.
import { performance } from "node:perf_hooks";
import { isSpoken, type Decoded, type FromAgent, type Undecoded } from "@selfscale/protocol";
import { WebSocket } from "ws";
import { type Defect } from "./monitor-defects.ts";
import { misread } from "./monitor-misreading.ts";

export type LinkScript = Readonly<{
  defect: Defect | null;
  version: number;
  features: readonly string[];
  /** How many connections there were before. */
  opened: number;
}>;

type Message<Type extends FromAgent["type"]> = Extract<FromAgent, { type: Type }>;

const GIB = 1_073_741_824;
/** What it wants, and the least it would agree to. */
const LEVEL = { cpu: 2, mem: 2 * GIB };
const LOWEST = { cpu: 1, mem: GIB };
const FRAME_BURST = 200;
const FRAMES_PER_SECOND = 50;
const TICK_MS = 50;
const FIRST_WORD_MS = 1_000;
const UPSCALE_REQUEST_MS = 1_000;
const UNMET_MS = 4_500;
const MET_MS = 30_000;
const SILENCE_MS = 20_000;

export class ScriptedLink {
  readonly #peer: WebSocket;
  readonly #script: LinkScript;
  readonly #openedAt = performance.now();
  readonly #timer = setInterval(() => this.#speak(), TICK_MS);
  #heardAt = performance.now();
  #spokeAt = -Infinity;
  #hasHeard = false;
  #isMet = false;
  #frames = 0;
  #nonsense = 0;
  #nextId = 3;

  constructor(peer: WebSocket, script: LinkScript) {
    this.#peer = peer;
    this.#script = script;
    if (this.#is("ids-go-on")) this.#nextId += 2 * script.opened;
    if (this.#is("even-ids")) this.#nextId--;
    peer.on("message", (data, isBinary) => {
      if (!isBinary || !this.#is("ignores-binary")) this.#onFrame((data as Buffer).toString());
    });
    peer.on("close", () => this.end());
    if (this.#is("upscale-at-once") && script.version === 1) this.#requestUpscale();
  }

  get isOpen(): boolean {
    return this.#peer.readyState === WebSocket.OPEN;
  }

  close(code: number, reason: string): void {
    this.end();
    this.#peer.close(code, reason);
  }

  end(): void {
    clearInterval(this.#timer);
  }

  #is(defect: Defect): boolean {
    return this.#script.defect === defect;
  }

  #onFrame(text: string): void {
    if (!this.isOpen || (this.#is("needs-newline") && isBareHealthCheck(text))) return;
    this.#heardAt = performance.now();
    const allowed = FRAME_BURST + ((this.#heardAt - this.#openedAt) / 1_000) * FRAMES_PER_SECOND;
    if (++this.#frames > allowed && !this.#is("bears-floods")) {
      this.close(1008, "too many frames");
      return;
    }
    const decoded = this.#decode(text);
    if (decoded.ok) this.#understand(decoded.message);
    else this.#reject(decoded);
    this.#hasHeard = true;
    this.#speak();
  }

  #decode(text: string): Decoded<FromAgent> {
    const decoded = misread(text, this.#script.defect);
    if (!decoded.ok) return decoded;
    const { type, id } = decoded.message;
    const isKnown = isSpoken(type, this.#script.version) || this.#is("knows-version-2-on-1");
    if (isKnown) return decoded;
    return { ok: false, kind: "unknown-type", problem: `unknown type ${type}`, id };
  }

  #reject({ kind, problem, id }: Undecoded): void {
    const isUnknown = kind === "unknown-type";
    if (isUnknown && this.#is("drops-on-unknown-type")) this.#peer.terminate();
    if (isUnknown && this.#is("ignores-unknown-type")) return;
    if (kind === "not-json" && this.#is("drops-on-nonsense")) this.#peer.terminate();
    const limit = this.#is("short-temper") ? 10 : 20;
    if (++this.#nonsense > limit && !this.#is("endless-patience")) {
      this.close(this.#is("policy-is-no-error") ? 1000 : 1008, "too many bad messages");
      return;
    }
    const answered = isUnknown && this.#is("forgets-id") ? 0 : (id ?? 0);
    this.#send({ type: "InvalidMessage", error: problem, id: answered });
  }

  #understand(message: FromAgent): void {
    const { type, id } = message;
    switch (type) {
      case "HealthCheck":
        this.#answerHealth(id);
        break;
      case "UpscaleNotification":
        if (this.#is("wrong-kind")) this.#send({ type: "HealthCheck", id });
        else this.#send({ type: "UpscaleConfirmation", id });
        break;
      case "DownscaleRequest":
        this.#answerShrink(message);
        break;
      case "SizeReport":
        this.#isMet = JSON.stringify(message.content.actual) === JSON.stringify(LEVEL);
        if (this.#is("answers-size-report")) this.#send({ type: "UpscaleConfirmation", id });
        if (this.#is("states-on-every-report") && this.#hasHeard) this.#stateLevel();
        break;
      case "ScaleResponse":
        if (this.#is("refuses-late-response") && id !== this.#nextId - 2) {
          this.#send({ type: "InvalidMessage", error: "too late", id });
        }
        if (this.#is("answers-scale-response")) this.#send({ type: "UpscaleConfirmation", id });
        break;
      default:
        if (this.#is("answers-complaints")) this.#send({ type: "InvalidMessage", error: "no", id });
    }
  }

  #answerHealth(id: number): void {
    if (this.#is("wraps-replies")) this.#send({ content: {}, type: "HealthCheck", id });
    else if (this.#is("longer-health-reply")) this.#send({ type: "HealthCheck", at: 0, id });
    else if (this.#is("cuts-large-ids")) this.#send({ type: "HealthCheck", id: id >>> 0 });
    else this.#send({ type: "HealthCheck", id });
    if (this.#is("answers-twice")) this.#send({ type: "HealthCheck", id });
    if (this.#is("next-years-type") && this.#script.version === 2) {
      this.#send({ type: "SizeHint", id: 1 });
    }
  }

  #answerShrink({ id, content: { target } }: Message<"DownscaleRequest">): void {
    const isLowMem = target.mem < LOWEST.mem;
    const isLowCpu = target.cpu < LOWEST.cpu || (this.#is("judges-together") && target.cpu < 3);
    const isOdd = this.#is("refuses-growth") && target.mem > 2 ** 45;
    const Ok = !isLowMem && !isLowCpu && !isOdd;
    const blamed = this.#is("blames-cpu") || (isLowCpu && !this.#is("judges-together"));
    const why = this.#is("unknown-refusal") ? "because" : blamed ? "cpu" : "memory";
    const lowest = this.#is("lowest-too-low") ? { ...LOWEST, mem: GIB / 2 } : LOWEST;
    const isDetailed = this.#script.version === 2 || this.#is("details-on-version-1");
    const details = Ok || !isDetailed ? {} : { reason: why, lowest };
    const more = this.#is("details-on-version-1") && Ok ? { reason: "idle" } : details;
    const Status = Ok ? "agreed" : "in use";
    const type = "DownscaleResult";
    if (this.#is("no-status")) this.#send({ type, Ok, ...more, id });
    else if (this.#is("lower-case-result"))
      this.#send({ type, ok: Ok, status: Status, ...more, id });
    else if (this.#is("binary-result"))
      this.#peer.send(Buffer.from(JSON.stringify({ type, Ok, Status, id })));
    else this.#send({ type, Ok, Status, ...more, id });
  }

  #speak(): void {
    if (!this.isOpen) return;
    const now = performance.now();
    if (now - this.#heardAt > SILENCE_MS && !this.#is("bears-silence")) {
      this.close(this.#is("leaves-politely") ? 1000 : 1008, "silent");
      return;
    }
    const isFirstWordDue = this.#hasHeard || now - this.#openedAt >= FIRST_WORD_MS;
    if (!isFirstWordDue || now - this.#spokeAt < this.#pauseMs()) return;
    if (this.#script.version === 1 && !this.#is("levels-on-version-1")) this.#requestUpscale();
    else if (!this.#isMute()) this.#stateLevel();
  }

  #isMute(): boolean {
    if (this.#is("never-states")) return true;
    if (this.#is("states-only-when-asked") && !this.#hasHeard) return true;
    if (this.#is("states-only-with-feature") && this.#script.features.length === 0) return true;
    return this.#is("never-resends") && this.#spokeAt > 0;
  }

  #pauseMs(): number {
    if (this.#script.version === 1) return this.#is("upscale-too-often") ? 300 : UPSCALE_REQUEST_MS;
    if (this.#is("resends-each-second")) return 1_000;
    return this.#isMet && !this.#is("never-rests") ? MET_MS : UNMET_MS;
  }

  #requestUpscale(): void {
    this.#spokeAt = performance.now();
    const more = this.#is("amount-in-upscale-request") ? { target: LEVEL } : {};
    this.#send({ type: "UpscaleRequest", ...more, id: this.#mintId() });
  }

  #stateLevel(): void {
    this.#spokeAt = performance.now();
    const reason = this.#is("unknown-reason") ? "because" : "memory";
    const more = this.#is("next-years-field") ? { urgency: 1 } : {};
    const age = this.#is("negative-age") ? { ageMs: -1 } : {};
    const id = this.#mintId();
    this.#send({ type: "ScaleRequest", target: LEVEL, reason, ...age, ...more, id });
  }

  #mintId(): number {
    const id = this.#nextId;
    if (!this.#is("same-id-again")) this.#nextId += 2;
    return id;
  }

  #send(message: Readonly<Record<string, unknown>>): void {
    const { id, ...rest } = message;
    let text = JSON.stringify(this.#is("id-first") ? { id, ...rest } : message);
    if (this.#is("float-mem")) text = text.replace(/"mem":(\d+)/g, '"mem":$1.0');
    this.#peer.send(text, () => undefined);
  }
}

function isBareHealthCheck(text: string): boolean {
  return /^\{"content":\{\},.*"type":"HealthCheck","id":2\}$/.test(text);
}
