// Bundles each app into one file that plain node runs: dist/selfscale-*.cjs.
import { APPS, bundle } from "./bundle.mjs";

for (const app of [...APPS, "lab"]) {
  const { outfile, bytes } = await bundle(app, "dist");
  console.log(`built ${outfile} (${Math.round(bytes / 1000)} kB)`);
}
