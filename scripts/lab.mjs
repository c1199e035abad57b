// `make lab`: every policy on what nobody tuned on, as the tables of docs/policy.md. What it prints is kept in .cache/lab
// with every single score. Arguments go on to `selfscale-lab compare`, for instance --actuator slow.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const LAB = "dist/selfscale-lab.cjs";
const FOLDER = ".cache/lab";
const { SEEDS = "101..200", TRACES = "" } = process.env;

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
/** The machine that the traces are scaled to. */
const TRACE_CPUS = "4";

mkdirSync(FOLDER, { recursive: true });
const rest = process.argv.slice(2);
compare("synthetic", ["--synthetic", "--seeds", SEEDS, ...rest]);
const files = REPORTED_TRACES.map((name) => join(TRACES, `${name}.csv`));
const missing = files.filter((file) => !existsSync(file));
if (missing.length === 0) {
  compare("traces", [...files, "--cpus", TRACE_CPUS, "--seeds", TRACE_SEEDS, ...rest]);
} else {
  const what = missing.length === files.length ? `no traces in ${TRACES}` : missing.join(", ");
  console.log(`\nWithout real traces: ${what} (TRACES=FOLDER names another place).`);
}

/** One table, printed and kept; ends the process when it can't be made. */
function compare(name, args) {
  const save = join(FOLDER, `${name}.json`);
  const command = [LAB, "compare", ...args, "--markdown", "--save", save];
  const { status, stdout } = spawnSync(process.execPath, command, {
    stdio: ["ignore", "pipe", "inherit"],
    maxBuffer: 64 * 1024 * 1024,
    encoding: "utf8",
  });
  if (status !== 0) process.exit(status ?? 1);
  writeFileSync(join(FOLDER, `${name}.md`), stdout);
  console.log(stdout);
}
