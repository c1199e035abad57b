// The command line of `selfscale-lab world`.
import { type Command, InvalidArgumentError } from "commander";

export type WorldOptions = Readonly<{
  /** Both included. */
  from: number;
  to: number;
  /** A story from this file instead of seeds. */
  story: string | null;
  /** Where the shortest story of a failure goes. */
  save: string | null;
  mustShrink: boolean;
  isJson: boolean;
  /** Every event, frame and command too; for one story. */
  isLogged: boolean;
}>;

type Raw = {
  seed?: number;
  seeds?: readonly [number, number];
  story?: string;
  save?: string;
  shrink: boolean;
  json?: true;
  log?: true;
};

const SEEDS_OTHERWISE = [1, 100] as const;

export function addWorld(program: Command, found: (options: WorldOptions) => void): void {
  program
    .command("world")
    .description(
      "play agent, arbiter and monitors in a simulated hostile world, and watch every invariant; exit code 1 when one broke",
    )
    .option("--seed <n>", "the story of this seed", readSeed)
    .option(
      "--seeds <from..to>",
      "the stories of these seeds; a number alone: from 1 (default: 1..100)",
      readSeeds,
    )
    .option(
      "--story <file>",
      "a story from a file, as --json and --save write it; - is standard input",
    )
    .option("--save <file>", "write the shortest story of the first failure to this file")
    .option("--no-shrink", "tell a failing story as it is")
    .option("--json", "one line of JSON per story")
    .option("--log", "with one story: every event, frame and command too")
    .exitOverride()
    .action((raw: Raw, command: Command) => {
      const ways = [raw.seed, raw.seeds, raw.story].filter((way) => way !== undefined);
      if (ways.length > 1) command.error("error: --seed, --seeds and --story exclude one another");
      const [from, to] =
        raw.seeds ?? (raw.seed === undefined ? SEEDS_OTHERWISE : [raw.seed, raw.seed]);
      if (raw.log === true && raw.story === undefined && from !== to) {
        command.error("error: --log needs one story: --seed or --story");
      }
      found({
        from,
        to,
        story: raw.story ?? null,
        save: raw.save ?? null,
        mustShrink: raw.shrink,
        isJson: raw.json ?? false,
        isLogged: raw.log ?? false,
      });
    });
}

function readSeed(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError("expected a whole number");
  return Number(text);
}

function readSeeds(text: string): readonly [number, number] {
  const [, from = "1", to = ""] = /^(?:(\d{1,9})\.\.)?(\d{1,9})$/.exec(text) ?? [];
  if (to === "" || Number(from) > Number(to)) {
    throw new InvalidArgumentError("expected FROM..TO, such as 1..1000, or a number of seeds");
  }
  return [Number(from), Number(to)];
}
