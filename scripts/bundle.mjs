// How each app becomes one file that plain node runs, wherever it is written and from whatever sources.
import { chmodSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";

/** The two that speak with one another: what a release keeps. */
export const APPS = ["agent", "monitor"];

/** Writes selfscale-<app>.cjs into the folder and gives its path and size. */
export async function bundle(app, folder, plugins = []) {
  const outfile = join(folder, `selfscale-${app}.cjs`);
  const { metafile } = await build({
    entryPoints: [`apps/${app}/src/main.ts`],
    outfile,
    bundle: true,
    platform: "node",
    target: "node20.19",
    format: "cjs",
    // A stack trace must still name our functions: an assertion's crash is read by people. So they keep the names that they
    // have; with short ones and keepNames every closure would be given its name as it is made, which costs an object of
    // some hundred bytes each time.
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: "none",
    banner: { js: "#!/usr/bin/env node" },
    // ws and pg look for these native helpers and do without them.
    external: ["bufferutil", "utf-8-validate", "pg-native"],
    define: app === "lab" ? { CHART_PAGE: JSON.stringify(await chartPage()) } : {},
    plugins,
    metafile: true,
    logLevel: "warning",
  });
  chmodSync(outfile, 0o755);
  return { outfile, bytes: Object.values(metafile.outputs)[0]?.bytes ?? 0 };
}

/** The page that `selfscale-lab chart` writes, but for its data: markup, style, script. */
async function chartPage() {
  const { outputFiles } = await build({
    entryPoints: ["apps/lab/page/main.ts", "apps/lab/page/page.css"],
    outdir: "page",
    write: false,
    bundle: true,
    platform: "browser",
    target: "es2023",
    format: "iife",
    minify: true,
    charset: "utf8",
    legalComments: "none",
    logLevel: "warning",
  });
  const textOf = (ending) => outputFiles.find(({ path }) => path.endsWith(ending))?.text ?? "";
  const body = readFileSync("apps/lab/page/page.html", "utf8");
  return { body, css: textOf(".css"), script: textOf(".js") };
}
