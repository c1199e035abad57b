// What a story is about, in words: sizes wanted, permitted, told and notified, questions and answers. What repeats by the
// clock (looking at QEMU, health checks) is none of it. A scenario says which steps it expects, so that a golden file
// written anew can't hide that their order changed.
import { type Size } from "@selfscale/protocol";
import { type VmAction, type VmEvent } from "../types.ts";
import { askedOf, MIB, type Frame } from "./rig.ts";

const ANSWERS: Readonly<Record<string, string>> = {
  "consent-given": "agreed",
  "consent-refused": "refused",
  "consent-failed": "failed",
  "consent-void": "void",
};

export class StepBook {
  #steps: string[] = [];
  #want: string | null = null;
  #permit: string | null = null;
  #held: Size | null = null;
  #isFull = false;
  #base = 0;

  /** The steps until now are no part of the story. */
  forget(): void {
    this.#steps = [];
  }

  /** All the steps since the last time; those to begin with when more are to follow, by a last semicolon. */
  expect(text: string): void {
    const wanted = text === "nothing" ? [] : text.replace(/;$/, "").split("; ");
    const steps = this.#steps.splice(0, text.endsWith(";") ? wanted.length : Infinity);
    if (JSON.stringify(steps) !== JSON.stringify(wanted)) {
      throw new Error(`expected: ${wanted.join("; ")}\nbut came: ${steps.join("; ") || "nothing"}`);
    }
  }

  heard(event: VmEvent): void {
    if (event.kind === "hypervisor-attached") this.#base = event.facts.baseMemBytes;
    if (event.kind !== "permit-changed") return;
    const permit = say(event.permit);
    if (permit !== this.#permit) this.#steps.push(`permit ${permit}`);
    if (event.isNodeFull && !this.#isFull) this.#steps.push("full");
    this.#permit = permit;
    this.#isFull = event.isNodeFull;
  }

  done(action: VmAction): void {
    switch (action.kind) {
      case "seek-permit":
        this.#sought(askedOf(action.claim), action.claim.held);
        return;
      case "set-memory":
        this.#steps.push(`memory ${(this.#base + action.requestedBytes) / MIB}`);
        return;
      case "set-quota":
        this.#steps.push(`quota ${action.milliCpu / 1000}`);
        return;
      case "plug-cpu":
        this.#steps.push(`plug ${action.vcpus}`);
        return;
      case "send-frame":
        this.#said(JSON.parse(action.text) as Frame);
        return;
      case "explain": {
        const answer = ANSWERS[action.note.reason];
        if (answer !== undefined) this.#steps.push(answer);
        return;
      }
      case "observe":
      case "read-cpu":
      case "close-link":
      case "scrape":
        return;
      default:
        action satisfies never;
    }
  }

  /** To the node: another wish, a loan included, or less held. More is held as soon as it is told; that is no step. */
  #sought(want: Size, held: Size): void {
    if (say(want) !== this.#want) this.#steps.push(`wants ${say(want)}`);
    const before = this.#held ?? held;
    const isLess = held.milliCpu < before.milliCpu || held.memBytes < before.memBytes;
    if (isLess) this.#steps.push(`frees to ${say(held)}`);
    this.#want = say(want);
    this.#held = held;
  }

  #said(frame: Frame): void {
    const { target, granted } = (frame["content"] ?? {}) as Record<string, Allocation>;
    if (target !== undefined) this.#steps.push(`ask ${sayAllocation(target)}`);
    if (granted !== undefined) this.#steps.push(`notify ${sayAllocation(granted)}`);
  }
}

type Allocation = Readonly<{ cpu: number; mem: number }>;

function sayAllocation({ cpu, mem }: Allocation): string {
  return `${cpu}/${mem / MIB}`;
}

function say({ milliCpu, memBytes }: Size): string {
  return `${milliCpu / 1000}/${memBytes / MIB}`;
}
