// `make demo`: a real VM that sizes itself, on one screen. Last line: "demo: ok" or "demo: failed: …"; exit code 0 or 1.
import { parseArgs } from "node:util";
import { runContention } from "./contention.ts";
import { runPostgres } from "./postgres.ts";
import { runDemo, type DemoOptions } from "./scenario.ts";

const HELP = `make demo [ARGS="…"]: boots a VM of 1 vCPU and 512 MiB, loads it, and shows it sizing itself.

  --three                three VMs contend for one node: status, explain and metrics as an operator sees them
  --postgres             an index build and a sort that 512 MiB can't hold: killed at a fixed size, done when announced; five minutes
  --legacy               a version-1 monitor, sized by the metrics-based algorithm
  --preset demo|default  how patiently sizes fall; default is the real one and takes minutes [demo]
  --seconds N            how long the load burns and holds its memory                [20, legacy 90]
  --help`;

function readOptions(): DemoOptions | "three" | "postgres" | null {
  const { values } = parseArgs({
    // pnpm and make hand over a lone "--" now and then.
    args: process.argv.slice(2).filter((arg) => arg !== "--"),
    options: {
      three: { type: "boolean", default: false },
      postgres: { type: "boolean", default: false },
      legacy: { type: "boolean", default: false },
      preset: { type: "string", default: "demo" },
      seconds: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return null;
  if (values.three) return "three";
  if (values.postgres) return "postgres";
  const { legacy, preset } = values;
  if (preset !== "demo" && preset !== "default") {
    throw new Error(`--preset is ${preset}, expected demo or default`);
  }
  // A load average of one minute needs its time to see three busy CPUs.
  const seconds = Number(values.seconds ?? (legacy ? 90 : 20));
  if (!Number.isInteger(seconds) || seconds < 1) {
    throw new Error(`--seconds is ${String(values.seconds)}, expected a whole number above 0`);
  }
  return { legacy, preset, seconds };
}

async function main(): Promise<number> {
  try {
    const options = readOptions();
    if (options === null) {
      console.log(HELP);
      return 0;
    }
    const problems = await run(options);
    console.log(problems.length === 0 ? "demo: ok" : `demo: failed: ${problems.join("; ")}`);
    return problems.length === 0 ? 0 : 1;
  } catch (error) {
    console.log(`demo: failed: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  }
}

async function run(options: DemoOptions | "three" | "postgres"): Promise<string[]> {
  if (options === "three") return await runContention();
  if (options === "postgres") return await runPostgres();
  return await runDemo(options);
}

process.exit(await main());
