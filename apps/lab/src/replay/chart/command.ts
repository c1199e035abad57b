import { orComplain, sayNotes, writeOrComplain } from "../commands.ts";
import { type ChartOptions } from "../options.ts";
import { load, UnusableTraceError, type Source } from "../workloads.ts";
import { collect } from "./collect.ts";
import { htmlOf } from "./html.ts";

/** Writes the page; returns the exit code. */
export function chart(options: ChartOptions): Promise<number> {
  const { trace, synthetic, policies, machine, seed, outFile } = options;
  return orComplain(() => {
    const source: Source =
      trace === null
        ? { kind: "synthetic", name: synthetic ?? "", seed }
        : { kind: "trace", file: trace, seed };
    const { workload, notes } = load(source, machine);
    if (trace !== null) sayNotes(trace, notes);
    const data = collect(workload, policies, { machine, notes }, (policy) => {
      process.stderr.write(`${workload.name}: ${policy}\n`);
    });
    const html = htmlOf(data);
    if (html === null) {
      throw new UnusableTraceError("the page is made by the build: run dist/selfscale-lab.cjs");
    }
    writeOrComplain(outFile, html);
    const megabytes = (Buffer.byteLength(html) / 1e6).toFixed(1);
    process.stderr.write(`wrote ${outFile} (${megabytes} MB)\n`);
  });
}
