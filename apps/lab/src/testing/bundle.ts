// An app of this repository as users run it: one file under plain node, built for one test file.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";

export type Bundle = Readonly<{ file: string; remove: () => void }>;

export async function bundleOf(app: "agent" | "lab"): Promise<Bundle> {
  const folder = mkdtempSync(join(tmpdir(), `${app}-bundle-`));
  const file = join(folder, `${app}.cjs`);
  await build({
    entryPoints: [join(import.meta.dirname, `../../../${app}/src/main.ts`)],
    outfile: file,
    bundle: true,
    platform: "node",
    target: "node20.19",
    format: "cjs",
    external: ["bufferutil", "utf-8-validate"],
    logLevel: "error",
  });
  return { file, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
