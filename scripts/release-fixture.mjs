// Keeps the bundles of this release in test-e2e/compat/, where later ones are tested against them.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { APPS, bundle } from "./bundle.mjs";

const { version } = JSON.parse(readFileSync("package.json", "utf8"));
const folder = join("test-e2e/compat", version);
if (existsSync(folder) && !process.argv.includes("--replace")) {
  console.error(`${folder} is there: a release that is out stays as it was (--replace until then)`);
  process.exit(1);
}

const built = mkdtempSync(join(tmpdir(), "selfscale-release-"));
try {
  mkdirSync(folder, { recursive: true });
  for (const app of APPS) {
    const { outfile } = await bundle(app, built);
    const packed = gzipSync(readFileSync(outfile), { level: 9 });
    const file = join(folder, `selfscale-${app}.cjs.gz`);
    writeFileSync(file, packed);
    console.log(`kept ${file} (${Math.round(packed.length / 1000)} kB)`);
  }
} finally {
  rmSync(built, { recursive: true });
}
