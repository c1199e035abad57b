import { type VmEvent } from "@selfscale/core";

/** This VM's loop does not run at the moment, or died before it took the order. */
export class LoopDownError extends Error {
  override readonly name = "LoopDownError";
  readonly code = "LOOP_DOWN";
}

type Waiting = Readonly<{ resolve: () => void; reject: (error: Error) => void }>;

/** Orders on their way to the machine, each with whoever waits until it is taken. */
export class Orders {
  readonly #waiting = new Map<VmEvent, Waiting>();

  /** Settles with the event's fate. Events are told apart by identity. */
  expect(event: VmEvent): Promise<void> {
    return new Promise((resolve, reject) => this.#waiting.set(event, { resolve, reject }));
  }

  /** True when it was an order. */
  took(event: VmEvent): boolean {
    this.#waiting.get(event)?.resolve();
    return this.#waiting.delete(event);
  }

  /** Nobody will take any of them. */
  fail(): void {
    for (const { reject } of this.#waiting.values()) {
      reject(new LoopDownError("this VM's loop is being started; nothing was ordered"));
    }
    this.#waiting.clear();
  }
}
