// Bundles each app into one file that plain node runs: dist/selfscale-*.cjs.
import { readFileSync, chmodSync } from "node:fs";
import { build } from "esbuild";

const { version } = JSON.parse(readFileSync("package.json", "utf8"));
const apps = {
  agent: "apps/agent/src/main.ts",
  monitor: "apps/monitor/src/main.ts",
  lab: "apps/lab/src/main.ts",
};

for (const [name, entry] of Object.entries(apps)) {
  const outfile = `dist/selfscale-${name}.cjs`;
  const { metafile } = await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: "node",
    target: "node20.19",
    format: "cjs",
    minify: true,
    // A stack trace must still name our functions: an assertion's crash is read by people.
    keepNames: true,
    legalComments: "none",
    define: { SELFSCALE_VERSION: JSON.stringify(version) },
    banner: { js: "#!/usr/bin/env node" },
    // ws looks for these native helpers and does without them.
    external: ["bufferutil", "utf-8-validate"],
    metafile: true,
    logLevel: "warning",
  });
  chmodSync(outfile, 0o755);
  const bytes = Object.values(metafile.outputs)[0]?.bytes ?? 0;
  console.log(`built ${outfile} (${Math.round(bytes / 1000)} kB)`);
}
