// A process of the bench's own, so that what it does is not counted as somebody else's CPU.
import { fork, type ChildProcess } from "node:child_process";
import { join } from "node:path";

/** Runs a file of this folder and gives it orders, one at a time; each is answered once. */
export class HelperProcess {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static start(file: string): HelperProcess {
    // With our own arguments to node, which let it run TypeScript.
    return new HelperProcess(fork(join(import.meta.dirname, file)));
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async ask<Answer>(order: object): Promise<Answer> {
    const child = this.#child;
    return await new Promise((resolve, reject) => {
      const onExit = () => reject(new Error(`the helper ended at ${JSON.stringify(order)}`));
      child.once("exit", onExit);
      child.once("message", (answer: { problem?: string }) => {
        child.off("exit", onExit);
        if (answer.problem === undefined) resolve(answer as Answer);
        else reject(new Error(answer.problem));
      });
      child.send(order);
    });
  }

  end(): void {
    this.#child.kill("SIGKILL");
  }
}

/** In the helper: answers orders until its parent ends. What orders there are is between the two. */
export function serveOrders(answer: (order: never) => Promise<object>): void {
  process.on("message", (order) => {
    answer(order as never).then(
      (found) => process.send?.(found),
      (error: unknown) => process.send?.({ problem: String(error) }),
    );
  });
  process.on("disconnect", () => process.exit(0));
}
