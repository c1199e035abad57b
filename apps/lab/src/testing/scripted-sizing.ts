// What a scripted agent does about sizes on one connection: answers, growth, questions before a shrink, reports.
import { readAmount, type Amount } from "../conform/size-report.ts";
import { type Fields, type SpeakingLink } from "./scripted-host.ts";
import { BOUNDS, STEP, type Ruling } from "./scripted-vm.ts";

const RANK = ["accepted", "clamped", "deferred", "refused"];
const GROWTH_MS = 800; // longer than reports are apart: what comes between is seen
const REPORT_MIN_MS = 500;
const REPORT_EVERY_MS = 30_000;
const REFUSED_PAUSE_MS = 5_000;
const BURST_MS = 100;
/** More than checks send one after another, and less than the 20 at once of the one that is about bursts. */
const BURST_LEAST = 16;

export class ScriptedSizing {
  readonly #link: SpeakingLink;
  #question: Readonly<{ id: unknown; to: Amount }> | null = null;
  #failed: Amount | null = null;
  #pausesUntil = 0;
  #isGrowing = false;
  #reportedAt = -Infinity;
  #reported = "";
  #isReportDue = false;
  #burst = 0;
  #held = "";

  constructor(link: SpeakingLink) {
    this.#link = link;
    const { has, vm } = link.host;
    vm.level = null;
    if (has("reports late")) link.ask("HealthCheck", {}, () => undefined);
    this.report();
    this.#keepReporting();
    if (has("shrinks without a level") && link.version === 2) {
      link.later(7_000, () => {
        if (vm.level === null) this.#ask({ ...vm.actual, mem: BOUNDS.min.mem });
      });
    }
  }

  end(): void {
    const { has, vm, oldQuestions } = this.#link.host;
    oldQuestions.clear();
    const question = this.#question;
    if (question !== null && has("a reconnect does not void a consent")) {
      oldQuestions.set(question.id, () => vm.shrinkTo(question.to));
    }
    vm.level = null;
  }

  hear(message: Fields, text: string): void {
    if (message.type === "UpscaleRequest") this.#upscale();
    else this.#scale(message, text);
  }

  /** To the question that is open. */
  answered(message: Fields): void {
    const { has, vm } = this.#link.host;
    const question = this.#question;
    this.#question = null;
    if (question === null) return;
    if (message.Ok === true) {
      const { level } = vm;
      const isVoid = level === null || level.mem > question.to.mem || level.cpu > question.to.cpu;
      if (!isVoid || has("a raise does not void a consent")) vm.shrinkTo(question.to);
      this.report();
    } else {
      const lowest = readAmount(message.lowest);
      if (lowest !== null && !has("ignores what would be agreed to")) {
        this.#ask(lowest);
        return;
      }
      if (!has("asks again at once") && lowest === null) this.#pause();
    }
    this.#move();
  }

  /** Only a defective agent does. */
  agreeLate(): void {
    if (this.#failed !== null) this.#link.host.vm.shrinkTo(this.#failed);
    this.report();
  }

  #upscale(): void {
    const { has, vm } = this.#link.host;
    if (has("dies of an early UpscaleRequest") && !this.#link.hasSpoken) this.#link.dropDead();
    if (has("ignores UpscaleRequest") || this.#link.version !== 1) return;
    vm.level = { ...vm.actual, mem: Math.min(BOUNDS.max.mem, vm.actual.mem + STEP.mem) };
    this.#move();
  }

  #scale(message: Fields, text: string): void {
    const { host, version } = this.#link;
    const { has, vm } = host;
    const target = readAmount(message.target);
    const isOdd =
      (has("takes integers only") && /"mem":\d+[.e]/.test(text)) ||
      (has("dislikes unknown reasons") && message.reason === "next-years-word") ||
      (version === 1 && has("dislikes a ScaleRequest on version 1"));
    if (target === null || isOdd) {
      this.#link.nonsense(message.id);
      return;
    }
    if (version === 1 && has("ignores a ScaleRequest on version 1")) return;
    if (has("punishes bursts")) {
      this.#burst += 1;
      this.#link.later(BURST_MS, () => (this.#burst -= 1));
      if (this.#burst > BURST_LEAST) this.#link.close(1008, "too many");
    }
    const { isMismatched } = this.#link;
    const stuck = { outcome: "deferred", reason: "stuck" };
    const ruling = isMismatched ? { cpu: stuck, mem: stuck } : vm.wish(target);
    const isAgain = message.reason === "hold" && JSON.stringify(target) === this.#held;
    if (isAgain && vm.level !== null && has("takes a level for an edge")) {
      vm.level = { ...vm.level, mem: vm.level.mem + STEP.mem };
    }
    this.#held = message.reason === "hold" ? JSON.stringify(target) : "";
    if (version === 2 || has("answers a ScaleRequest on version 1"))
      this.#respond(message.id, ruling);
    this.#move();
  }

  #respond(id: unknown, { cpu, mem }: Ruling): void {
    const { host } = this.#link;
    const outcomes = [cpu.outcome, mem.outcome].sort((a, b) => RANK.indexOf(a) - RANK.indexOf(b));
    const isWrong = host.has("answers with an outcome that is not the worst");
    const outcome = isWrong ? "accepted" : outcomes[1];
    const permit = host.has("answers without a permit") ? null : (host.vm.level ?? host.vm.actual);
    this.#link.wrap("ScaleResponse", { outcome, resources: { cpu, mem }, permit }, id);
  }

  #move(): void {
    const { has, vm } = this.#link.host;
    if (vm.wantsMore && !this.#isGrowing) {
      this.#isGrowing = true;
      if (has("notifies before it is there"))
        this.#notify(vm.larger(vm.actual, vm.level ?? vm.actual));
      this.#link.later(GROWTH_MS, () => this.#grown());
    }
    const slice = vm.nextSlice;
    const isFree = this.#question === null;
    const isPaused = performance.now() < this.#pausesUntil;
    if (slice !== null && isFree && !isPaused && !this.#isGrowing) this.#ask(slice);
    this.report();
  }

  #grown(): void {
    const { has, vm } = this.#link.host;
    this.#isGrowing = false;
    if (!vm.wantsMore) return;
    vm.grow();
    if (!has("does not notify")) this.#notify(vm.actual);
    this.#move();
  }

  #notify(granted: Amount): void {
    this.#link.ask("UpscaleNotification", { granted }, () => undefined);
  }

  #ask(to: Amount): void {
    const { has, vm } = this.#link.host;
    const id = this.#link.ask("DownscaleRequest", { target: to }, () => {
      if (this.#question?.id !== id) return;
      this.#failed = to;
      this.#question = null;
      this.#pause();
    });
    this.#question = { id, to };
    if (has("asks two questions at once")) {
      this.#link.ask("DownscaleRequest", { target: to }, () => undefined);
    }
    if (has("shrinks while it asks")) vm.shrinkTo(to);
  }

  #pause(): void {
    const pauseMs = REFUSED_PAUSE_MS;
    this.#pausesUntil = Infinity;
    this.#link.later(pauseMs, () => {
      this.#pausesUntil = 0;
      this.#move();
    });
  }

  /** At most two per second; the last one wins. */
  report(): void {
    const { host, hasReports } = this.#link;
    if (!hasReports || this.#isReportDue) return;
    const content = host.vm.report();
    const text = JSON.stringify(content);
    if (text === this.#reported && !host.has("reports too often")) return;
    if (
      performance.now() < this.#reportedAt + host.ms(REPORT_MIN_MS) &&
      !host.has("reports too often")
    ) {
      this.#isReportDue = true;
      this.#link.later(REPORT_MIN_MS, () => {
        this.#isReportDue = false;
        this.report();
      });
      return;
    }
    this.#reportedAt = performance.now();
    this.#reported = text;
    this.#link.tell("SizeReport", content);
  }

  #keepReporting(): void {
    if (this.#link.host.has("reports no more when nothing changes")) return;
    this.#link.later(REPORT_EVERY_MS, () => {
      this.#reported = "";
      this.report();
      this.#keepReporting();
    });
  }
}
