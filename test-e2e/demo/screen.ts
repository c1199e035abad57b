// The live table. On a terminal it is redrawn in place; elsewhere a line is printed when something changed.
import { type SizeView, type VmLadder } from "../harness/agent-process.ts";
import { MIB, type TrueSize } from "../harness/truth.ts";

export type Picture = Readonly<{
  seconds: number;
  ladder: VmLadder;
  truth: TrueSize;
  /** What the load is doing, for people. */
  load: string;
  /** The last things the agent said, newest last. */
  said: readonly string[];
}>;

/** Lines between two prints when nothing changes and nobody watches a terminal. */
const REPEAT_EVERY_S = 10;
const SAID_LINES = 6;

export class Screen {
  readonly #isTerminal = process.stdout.isTTY;
  #drawn = 0;
  #last = "";
  #lastAt = -Infinity;

  show(picture: Picture): void {
    if (this.#isTerminal) this.#redraw(table(picture));
    else this.#print(picture);
  }

  /** What follows stays below the table. */
  end(): void {
    this.#drawn = 0;
  }

  #redraw(lines: readonly string[]): void {
    if (this.#drawn > 0) process.stdout.write(`\x1b[${this.#drawn}A\x1b[J`);
    process.stdout.write(`${lines.join("\n")}\n`);
    this.#drawn = lines.length;
  }

  #print(picture: Picture): void {
    const { ladder, truth } = picture;
    const line = [
      `desired ${say(ladder.desired)}`,
      `permit ${say(ladder.permit)}`,
      `requested ${say(ladder.requested)}`,
      `actual ${say(ladder.actual)}`,
      `QEMU ${truth.vcpus} vCPU ${truth.memBytes / MIB} MiB`,
      unit(ladder),
      why(ladder),
    ].join(" | ");
    if (line === this.#last && picture.seconds < this.#lastAt + REPEAT_EVERY_S) return;
    this.#last = line;
    this.#lastAt = picture.seconds;
    console.log(`${picture.seconds.toFixed(1).padStart(6)} s  ${line} | ${picture.load}`);
  }
}

function table({ seconds, ladder, truth, load, said }: Picture): string[] {
  const row = (name: string, size: SizeView | null, note = "") =>
    `  ${name.padEnd(10)} ${cpu(size).padStart(6)} vCPU ${mem(size).padStart(6)} MiB  ${note}`;
  return [
    "",
    `  ${seconds.toFixed(1)} s   ${load}`,
    row(
      "desired",
      ladder.desired,
      `${ladder.mode}${ladder.wishReason === null ? "" : `, ${ladder.wishReason}`} ${unit(ladder)}`,
    ),
    row("permit", ladder.permit),
    row("requested", ladder.requested),
    row("actual", ladder.actual, `why: ${why(ladder)}`),
    `  QEMU says  ${String(truth.vcpus).padStart(6)} vCPU ${String(truth.memBytes / MIB).padStart(6)} MiB`,
    "",
    ...said.slice(-SAID_LINES).map((line) => `  ${line}`.slice(0, 118)),
  ];
}

function why(ladder: VmLadder): string {
  return ladder.reason ?? "on its way";
}

function unit(ladder: VmLadder): string {
  return ladder.legacyGoal === null ? "" : `goal ${ladder.legacyGoal} compute units`;
}

function say(size: SizeView | null): string {
  return `${cpu(size)}/${mem(size)}`;
}

function cpu(size: SizeView | null): string {
  return size === null ? "-" : String(size.milliCpu / 1000);
}

function mem(size: SizeView | null): string {
  return size === null ? "-" : String(Math.round(size.memBytes / MIB));
}
