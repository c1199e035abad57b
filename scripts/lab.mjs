// `make lab`: every policy on what nobody tuned on, as the tables of docs/policy.md. What it prints is kept in .cache/lab
// with every single score. Arguments go on to `selfscale-lab compare`, for instance --actuator slow.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const LAB = "dist/selfscale-lab.cjs";
const FOLDER = ".cache/lab";
const { SEEDS = "101..200", VARIANT_SEEDS = "101..120", TRACES = "" } = process.env;

/**
 * Half of NAB. The policy was tuned on the other half, which proves nothing: cpu_utilization_asg_misconfiguration,
 * ec2_cpu_utilization_{24ae8d,5f5533,825cc2,c6585a} and rds_cpu_utilization_cc0c53.
 */
const REPORTED_TRACES = [
  "ec2_cpu_utilization_53ea38",
  "ec2_cpu_utilization_77c1ca",
  "ec2_cpu_utilization_ac20cd",
  "ec2_cpu_utilization_fe7f93",
  "elb_request_count_8c0756",
  "rds_cpu_utilization_e47b3b",
];
/** Days of each trace: every seed chooses one. */
const TRACE_SEEDS = "101..105";
const TROUBLES = [
  ...["square5", "square13", "square60", "square300", "backup", "lock_storm", "steal"],
  ...["stuck_unplug", "denial", "message_loss"],
];
/** The machine that the traces are scaled to. */
const TRACE_CPUS = "4";

/** Ours and its presets, and everybody else. */
const POLICIES = [
  ...["ours", "ours:calm=0", "ours:calm=1", "ours:coupled=1"],
  ...[
    "neon",
    "neon:blend=0.25",
    "draft-monitor",
    "vpa",
    "target",
    "senpai",
    "two-window",
    "autopilot",
  ],
  ...["static-max", "static-p95", "static-p99.5+20"],
];
/** Where the frontier of cost against resizes is looked at. */
const CALM = ["0", "0.25", "0.5", "0.75", "1"];
const FEW = ["ours", "neon", "target", "static-p99.5+20"];
/** What else may hold: [name, how it is told, policies, arguments]. */
const VARIANTS = [
  ["frontier", "from frugal to calm", ["neon", ...CALM.map((calm) => `ours:calm=${calm}`)], []],
  ["unit-billing", "billed in whole units", ["ours:coupled=1", ...FEW], ["--billing", "unit"]],
  ["slow", "the slow actuator", FEW, ["--actuator", "slow"]],
  ["measured", "the actuator measured on an emulated guest", FEW, ["--actuator", "tcg"]],
  ["no-swap", "without swap", FEW, ["--swap", "0"]],
  ["troubles", "what goes wrong besides", FEW, ["--synthetic", ...TROUBLES]],
];

mkdirSync(FOLDER, { recursive: true });
const rest = process.argv.slice(2);
const synthetic = ["--synthetic", "--seeds", SEEDS];
compare("synthetic", "synthetic workloads", POLICIES, [...synthetic, ...rest]);
const files = REPORTED_TRACES.map((name) => join(TRACES, `${name}.csv`));
const missing = files.filter((file) => !existsSync(file));
if (missing.length === 0) {
  const traces = [...files, "--cpus", TRACE_CPUS, "--seeds", TRACE_SEEDS];
  compare("traces", "real traces", POLICIES, [...traces, ...rest]);
} else {
  const what = missing.length === files.length ? `no traces in ${TRACES}` : missing.join(", ");
  console.log(`\nWithout real traces: ${what} (TRACES=FOLDER names another place).`);
}
const seeds = ["--seeds", VARIANT_SEEDS];
for (const [name, told, policies, more] of VARIANTS) {
  const all = more.includes("--synthetic") ? more : ["--synthetic", ...more];
  compare(name, told, policies, [...all, ...seeds, ...rest]);
}

/** One table, printed and kept; ends the process when it can't be made. */
function compare(name, told, policies, args) {
  console.error(`lab: ${told}`);
  const save = join(FOLDER, `${name}.json`);
  const command = [LAB, "compare", ...args, "--policy", ...policies, "--markdown", "--save", save];
  const { status, stdout } = spawnSync(process.execPath, command, {
    stdio: ["ignore", "pipe", "inherit"],
    maxBuffer: 64 * 1024 * 1024,
    encoding: "utf8",
  });
  if (status !== 0) process.exit(status ?? 1);
  const table = `## ${told}\n\n${stdout}`;
  writeFileSync(join(FOLDER, `${name}.md`), table);
  console.log(table);
}
