// Bundles each app into one file that plain node runs: dist/selfscale-*.cjs; and the monitor into one that installs it.
import { APPS, bundle } from "./bundle.mjs";
import { writeInstaller } from "./installer.mjs";

for (const app of [...APPS, "lab"]) {
  const { outfile, bytes } = await bundle(app, "dist");
  console.log(`built ${outfile} (${Math.round(bytes / 1000)} kB)`);
}
console.log(`built ${writeInstaller("dist", "dist/selfscale-monitor.cjs")}`);
