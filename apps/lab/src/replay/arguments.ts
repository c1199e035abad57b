// The part of the command line that speaks of traces, policies and the machine.
import { availableParallelism } from "node:os";
import { type Command, InvalidArgumentError, Option } from "commander";
import { generatorByName, POLICIES, policyByName, SYNTHETIC } from "@selfscale/evaluation";
import {
  ACTUATOR_CHOICES,
  type ActuatorChoice,
  type Billing,
  type ChartOptions,
  type ClairvoyantOptions,
  type CompareOptions,
  type MachineOptions,
  type ReplayOptions,
  type SeedRange,
} from "./options.ts";
import { noGenerator } from "./workloads.ts";

export type ReplayInvocation =
  | Readonly<{ kind: "replay"; options: ReplayOptions }>
  | Readonly<{ kind: "compare"; options: CompareOptions }>
  | Readonly<{ kind: "clairvoyant"; options: ClairvoyantOptions }>
  | Readonly<{ kind: "chart"; options: ChartOptions }>;

type Found = (what: ReplayInvocation) => void;

const DEFAULT_SEEDS: SeedRange = { from: 1, to: 5 };
const CHART_POLICIES: ReadonlySet<string> = new Set(["ours", "neon", "static-p99.5+20"]);
const TRACES = "CSV of demand, see docs/laboratory.md";

export function addReplayCommands(program: Command, found: Found): void {
  addReplay(program, found);
  addCompare(program, found);
  addChart(program, found);
  addClairvoyant(program, found);
}

type RawMachine = {
  cpus?: number;
  maxMem?: number;
  swap: number;
  actuator: ActuatorChoice;
  bursty?: true;
  hours: number;
};

function addReplay(program: Command, found: Found): void {
  const command = program
    .command("replay")
    .description("what policies would have cost on these traces")
    .argument("<traces...>", TRACES);
  withPolicies(withSeed(withMachine(command)))
    .option("--json", "every score, as JSON")
    .action(
      (traces: string[], raw: RawMachine & { policy: string[]; seed: number; json?: true }) => {
        const { policy: policies, seed, json } = raw;
        const machine = machineOf(raw);
        const options = { traces, policies, machine, seed, isJson: json ?? false };
        found({ kind: "replay", options });
      },
    );
}

type RawCompare = RawMachine & {
  synthetic?: true | string[];
  policy: string[];
  seeds: SeedRange;
  baseline: string;
  billing: Billing;
  jobs: number;
  json?: true;
  markdown?: true;
  save?: string;
};

function addCompare(program: Command, found: Found): void {
  const command = program
    .command("compare")
    .description("the table: each policy against the clairvoyant, and against a baseline")
    .argument("[traces...]", TRACES)
    .option("--synthetic [names...]", "synthetic workloads too: these, or the published ten")
    .option("--seeds <range>", "of workloads, such as 101..200", readSeeds, DEFAULT_SEEDS)
    .option("--baseline <name>", "policy that the others are compared with", readPolicy, "neon")
    .addOption(
      new Option("--billing <kind>", "what money counts in the cost J")
        .choices(["dimension", "unit"])
        .default("dimension"),
    )
    .option("--jobs <number>", "threads", readCount, availableParallelism())
    .option("--json", "every score, as JSON")
    .option("--markdown", "tables in Markdown")
    .option("--save <file>", "every score, as JSON, into this file besides");
  withPolicies(withMachine(command)).action((traces: string[], raw: RawCompare, self: Command) => {
    const names = raw.synthetic === true ? headline() : (raw.synthetic ?? null);
    const unknown = names?.find((name) => generatorByName(name) === null);
    if (unknown !== undefined) self.error(`error: ${noGenerator(unknown)}`);
    if (traces.length === 0 && names === null) self.error("error: no traces, no --synthetic");
    const { seeds, baseline, billing, jobs, json, markdown, save } = raw;
    const policies = [...new Set([...raw.policy, baseline])];
    const rest = { isJson: json ?? false, isMarkdown: markdown ?? false, saveFile: save ?? null };
    const machine = machineOf(raw);
    const what = { traces, synthetic: names, policies, machine, seeds };
    found({ kind: "compare", options: { ...what, baseline, billing, jobs, ...rest } });
  });
}

function headline(): readonly string[] {
  return SYNTHETIC.filter((one) => one.isHeadline).map((one) => one.name);
}

type RawChart = RawMachine & { synthetic?: string; policy: string[]; seed: number; out: string };

function addChart(program: Command, found: Found): void {
  const command = program
    .command("chart")
    .description("a page that shows demand, sizes, waste and pain over time; opens in any browser")
    .argument("[trace]", TRACES)
    .option("--synthetic <name>", "a synthetic workload instead of a trace")
    .requiredOption("--out <file>", "where to write the page");
  const few = POLICIES.map(({ name }) => name).filter((name) => CHART_POLICIES.has(name));
  withPolicies(withSeed(withMachine(command)), few).action(
    (trace: string | undefined, raw: RawChart, self: Command) => {
      const { synthetic, policy: policies, seed, out: outFile } = raw;
      if ((trace === undefined) === (synthetic === undefined))
        self.error("error: one trace, or --synthetic and a name");
      if (synthetic !== undefined && generatorByName(synthetic) === null)
        self.error(`error: ${noGenerator(synthetic)}`);
      const what = { trace: trace ?? null, synthetic: synthetic ?? null, policies };
      found({ kind: "chart", options: { ...what, machine: machineOf(raw), seed, outFile } });
    },
  );
}

function addClairvoyant(program: Command, found: Found): void {
  const command = program
    .command("clairvoyant")
    .description("what the traces cost who knows the future: the reference of every ratio")
    .argument("<traces...>", TRACES);
  withSeed(withMachine(command))
    .option("--opt-star", "CPU for who may let work wait, too: seconds for each hour of trace")
    .option("--json", "as JSON")
    .action((traces: string[], raw: RawMachine & { seed: number; json?: true; optStar?: true }) => {
      const hasStar = raw.optStar ?? false;
      const options = { traces, machine: machineOf(raw), seed: raw.seed, hasStar };
      found({ kind: "clairvoyant", options: { ...options, isJson: raw.json ?? false } });
    });
}

function withMachine(command: Command): Command {
  return command
    .option("--cpus <number>", "vCPUs of the machine; needed where CPU is in percent", readPositive)
    .option("--max-mem <GiB>", "most memory that it may get (4 GiB per vCPU)", readPositive)
    .option("--swap <GiB>", "its swap", readSwap, 2)
    .addOption(
      new Option("--actuator <name>", "how fast sizes change")
        .choices(ACTUATOR_CHOICES)
        .default("fast"),
    )
    .option("--hours <number>", "so much of each trace", readPositive, 24)
    .option("--bursty", "add bursts to traces of a point every minute or so")
    .exitOverride();
}

function withPolicies(command: Command, defaults = POLICIES.map(({ name }) => name)): Command {
  return command.addOption(
    new Option("--policy <names...>", "NAME or NAME:setting=value,…")
      .argParser(collectPolicies)
      .default(defaults),
  );
}

function withSeed(command: Command): Command {
  return command.option("--seed <number>", "chooses the day of a trace, and chance", readSeed, 1);
}

function machineOf(raw: RawMachine): MachineOptions {
  const { cpus, maxMem, swap, actuator, bursty, hours } = raw;
  const size = { cpus: cpus ?? null, maxMemGib: maxMem ?? null, swapGib: swap };
  return { ...size, actuator, isBursty: bursty ?? false, hours };
}

/** Commander gives what was collected so far; the first of ours replaces the defaults. */
const given = new WeakSet<readonly string[]>();

function collectPolicies(name: string, before: readonly string[]): readonly string[] {
  const names = [...(given.has(before) ? before : []), readPolicy(name)];
  given.add(names);
  return names;
}

function readPolicy(name: string): string {
  const choice = policyByName(name);
  if (choice.kind === "problem") throw new InvalidArgumentError(choice.problem);
  return choice.name;
}

function readPositive(text: string): number {
  const value = text.trim() === "" ? NaN : Number(text);
  if (!(value > 0 && value < 1e6)) throw new InvalidArgumentError("expected a number above 0");
  return value;
}

function readSwap(text: string): number {
  const value = text.trim() === "" ? NaN : Number(text);
  if (!(value >= 0 && value < 1e6)) throw new InvalidArgumentError("expected a number from 0");
  return value;
}

function readCount(text: string): number {
  if (!/^[1-9]\d{0,2}$/.test(text)) throw new InvalidArgumentError("expected a number from 1");
  return Number(text);
}

function readSeed(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError("expected a whole number from 0");
  return Number(text);
}

function readSeeds(text: string): SeedRange {
  const [, from = "", to = from] = /^(\d{1,9})(?:\.\.(\d{1,9}))?$/.exec(text) ?? [];
  if (from === "" || Number(to) < Number(from))
    throw new InvalidArgumentError("expected a seed, or two as in 101..200");
  return { from: Number(from), to: Number(to) };
}
