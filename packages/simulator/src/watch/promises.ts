// What one VM may grow to by what it was answered, from outside: what it has learned, and what is on its way to it.
import { type Claim, type PermitChange } from "@selfscale/core";
import { type Size } from "@selfscale/protocol";

const RESOURCES = ["milliCpu", "memBytes"] as const;
type Resource = (typeof RESOURCES)[number];
const NOTHING: Size = { milliCpu: 0, memBytes: 0 };

type Sent = Readonly<{ permit: Size; answers: number }>;

export class Promises {
  /** By the last answer that it has read. */
  #learned: Size = NOTHING;
  #sent: Sent[] = [];
  #number = 0;

  /** It has read the next answer. One to an older claim can only take away. */
  learns({ permit, answers }: Readonly<{ permit: Size; answers: number }>): void {
    this.#sent.shift();
    if (this.#number === 0) return; // it has asked for nothing
    this.#learned = answers === this.#number ? permit : each(Math.min, this.#learned, permit);
  }

  /** Who wants less gives up the rest at once. True: it claims to have given up what it has not. */
  claims({ number, want, loanMilli, permit }: Claim): boolean {
    this.#number = number;
    const most = { ...want, milliCpu: Math.max(want.milliCpu, loanMilli) };
    this.#learned = each(Math.min, this.#learned, most);
    const said = permit ?? NOTHING;
    return RESOURCES.some((of) => said[of] < this.#learned[of]);
  }

  sends({ permit, answers }: PermitChange): void {
    this.#sent.push({ permit, answers });
  }

  /** QEMU is out of reach: it will ask anew before it does anything. */
  lost(): void {
    this.#learned = NOTHING;
    this.#number = 0;
  }

  /** What it may do now. */
  now(of: Resource): number {
    return this.#learned[of];
  }

  /** What it may do now, or once it has read what was sent. */
  most(of: Resource): number {
    const coming = this.#sent
      .filter(({ answers }) => answers === this.#number)
      .map(({ permit }) => permit[of]);
    return Math.max(this.#learned[of], ...coming);
  }

  /** It was sent less than this, and has not read it. */
  isToldLess(of: Resource, than: number): boolean {
    return this.#sent.some(({ permit }) => permit[of] < than);
  }
}

export function each(how: (a: number, b: number) => number, a: Size, b: Size): Size {
  return { milliCpu: how(a.milliCpu, b.milliCpu), memBytes: how(a.memBytes, b.memBytes) };
}
