// `selfscale-lab world`: plays stories, tells what failed, and how to see it again.
import { readFileSync, writeFileSync } from "node:fs";
import {
  INVARIANTS,
  readStory,
  runWorld,
  shrink,
  storyOf,
  tellStory,
  type Outcome,
  type Problem,
  type Story,
} from "@selfscale/simulator";
import { type WorldOptions } from "./options.ts";

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
/** Longer work says how far it is, this often. */
const PROGRESS_MS = 5_000;
/** Failures told in full; more of them are only counted. */
const MOST_TOLD = 3;

export function world(options: WorldOptions): number {
  if (options.story === null) return playSeeds(options);
  const read = readStory(readText(options.story));
  if (!read.ok) {
    process.stderr.write(`${options.story}: ${read.problem}\n`);
    return EXIT_USAGE;
  }
  const outcome = play(read.story, options);
  if (outcome.problem === null) return sayHeld(1, outcome, options);
  tellFailure(read.story, outcome, options, `--story ${options.story}`);
  return EXIT_FAILED;
}

function playSeeds(options: WorldOptions): number {
  const { from, to, isJson } = options;
  const failed: number[] = [];
  const startedAt = performance.now();
  let saidAt = startedAt;
  let last: Outcome | null = null;
  for (let seed = from; seed <= to; seed += 1) {
    const story = storyOf(seed);
    const outcome = play(story, options);
    last = outcome;
    if (outcome.problem !== null) {
      failed.push(seed);
      if (failed.length <= MOST_TOLD) tellFailure(story, outcome, options, `--seed ${seed}`);
    }
    const now = performance.now();
    if (now - saidAt < PROGRESS_MS || seed === to) continue;
    saidAt = now;
    const done = seed - from + 1;
    const rate = (done / ((now - startedAt) / 1000)).toFixed(1);
    process.stderr.write(
      `${done} of ${to - from + 1} worlds, ${failed.length} failed, ${rate} per second\n`,
    );
  }
  if (failed.length === 0 && last !== null) return sayHeld(to - from + 1, last, options);
  if (!isJson)
    process.stdout.write(
      `${failed.length} of ${to - from + 1} worlds failed: seeds ${failed.join(", ")}\n`,
    );
  return EXIT_FAILED;
}

function play(story: Story, { isLogged, isJson }: WorldOptions): Outcome {
  const listen = (at: number, vm: number, line: string) => {
    process.stdout.write(`${(at / 1000).toFixed(3).padStart(9)}  vm-${vm + 1}  ${line}\n`);
  };
  const outcome = runWorld(story, isLogged ? { listen } : {});
  if (isJson) process.stdout.write(`${JSON.stringify({ seed: story.seed, ...outcome })}\n`);
  return outcome;
}

function sayHeld(count: number, { digest, counts }: Outcome, { isJson }: WorldOptions): number {
  if (isJson) return 0;
  const what =
    count === 1
      ? `everything held: ${counts.events} events, ${counts.commands} sizes told, digest ${digest}`
      : `${count} worlds, everything held`;
  process.stdout.write(`${what}\n`);
  return 0;
}

/** The failure, the shortest story that fails so, and the command that plays it again. */
function tellFailure(story: Story, outcome: Outcome, options: WorldOptions, origin: string): void {
  const { problem } = outcome;
  if (problem === null) return;
  const shortest = options.mustShrink ? shorten(story, problem) : story;
  const final = runWorld(shortest).problem ?? problem;
  if (options.save !== null) writeFileSync(options.save, `${JSON.stringify(shortest, null, 2)}\n`);
  if (options.isJson) {
    process.stdout.write(`${JSON.stringify({ seed: story.seed, shortest, problem: final })}\n`);
    return;
  }
  const { invariant, vm, at, what } = final;
  const where = vm === null ? "the node" : `vm-${vm + 1}`;
  const lines = [
    `seed ${story.seed} FAILED: invariant ${invariant}, ${INVARIANTS[invariant]}`,
    `  ${where}, after ${(at / 1000).toFixed(3)} s: ${what}`,
    `${options.mustShrink ? "the shortest story found" : "the story"} (${shortest.faults.length} of ${story.faults.length} faults):`,
    ...tellStory(shortest),
    `play it again: selfscale-lab world ${origin} --log`,
    ...(options.save === null
      ? []
      : [`the shortest story alone: selfscale-lab world --story ${options.save} --log`]),
    "",
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}

function shorten(story: Story, { invariant }: Problem): Story {
  return shrink(story, (shorter) => runWorld(shorter).problem?.invariant === invariant);
}

function readText(file: string): string {
  return readFileSync(file === "-" ? 0 : file, "utf8");
}
