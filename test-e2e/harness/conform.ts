// The conformance kit as users run it: the bundle, with --json, and its verdicts.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { promisify } from "node:util";

export const LAB_BUNDLE = "dist/selfscale-lab.cjs";

export type Verdicts = Readonly<{
  exitCode: number | null;
  /** By verdict: check id → why, "" where there is nothing to say. */
  failed: Readonly<Record<string, string>>;
  notApplicable: Readonly<Record<string, string>>;
  passed: readonly string[];
}>;

export type Kit = Readonly<{
  /** Where it waits for an agent; it is told on standard error. */
  address: Promise<string>;
  verdicts: Promise<Verdicts>;
  /** Ends it; harmless when it has ended. */
  end: () => void;
}>;

type Row = Readonly<{ id: string; verdict: string; why?: string }>;

/** `args`: what follows `selfscale-lab conform`, such as `agent --listen 0`. */
export function startKit(...args: readonly string[]): Kit {
  const kit = [process.execPath, LAB_BUNDLE, "conform", ...args, "--json"];
  // Killed by the kernel if we are.
  const child = spawn("setpriv", ["--pdeathsig", "KILL", ...kit], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [out, err] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  const ended = once(child, "close").then(([code]) => code as number | null);
  const address = new Promise<string>((resolve, reject) => {
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      const found = /ws:\S+\/monitor/.exec((err += text));
      if (found !== null) resolve(found[0]);
    });
    void ended.then(() => reject(new Error(`the kit ended: ${err}`)));
  });
  address.catch(() => undefined); // a kit that dials has none
  const verdicts = ended.then((exitCode) => {
    if (!out.startsWith("{")) throw new Error(`the kit reports nothing: ${err}`);
    return { exitCode, ...readVerdicts(out) };
  });
  return { address, verdicts, end: () => void child.kill("SIGKILL") };
}

/** The ids of everything that the kit checks of this side. */
export async function listChecks(side: "monitor" | "agent"): Promise<string[]> {
  const command = [LAB_BUNDLE, "conform", side, "--list"];
  const { stdout } = await promisify(execFile)(process.execPath, command);
  return [...stdout.matchAll(/^\| `([^`]+)` \|/gm)].map(([, id]) => id ?? "");
}

function readVerdicts(out: string): Omit<Verdicts, "exitCode"> {
  const { checks } = JSON.parse(out) as { checks: Row[] };
  const having = (kind: string) => {
    const rows = checks.filter(({ verdict }) => verdict === kind);
    return Object.fromEntries(rows.map(({ id, why }) => [id, why ?? ""]));
  };
  return {
    failed: having("fail"),
    notApplicable: having("not-applicable"),
    passed: Object.keys(having("pass")),
  };
}
