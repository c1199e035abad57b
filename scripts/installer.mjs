// One file that installs the monitor into a guest: deploy/guest/install.sh, and behind it everything that it installs.
import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { gzipSync } from "node:zlib";

const REPOSITORY = join(import.meta.dirname, "..");
const PARTS = [
  "deploy/guest/supervise-monitor",
  "deploy/guest/claim-pages",
  "deploy/guest/selfscale-monitor.default",
  "deploy/systemd/selfscale-monitor.service",
  "deploy/systemd/selfscale-monitor-postgres.conf",
];
/** The same bytes from the same files, whoever builds them and when. */
const TAR = ["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"];
const LINE_LENGTH = 120;

/** Writes selfscale-monitor-install.sh into the folder, with this bundle in it, and gives its path. */
export function writeInstaller(folder, monitorBundle) {
  const parts = mkdtempSync(join(tmpdir(), "selfscale-installer-"));
  try {
    for (const path of PARTS) cpSync(join(REPOSITORY, path), join(parts, basename(path)));
    cpSync(monitorBundle, join(parts, "selfscale-monitor.cjs"));
    const options = { maxBuffer: 64 * 1024 * 1024 };
    const archive = execFileSync("tar", [...TAR, "-C", parts, "-c", "."], options);
    const packed = gzipSync(archive, { level: 9 }).toString("base64");
    const lines = packed.match(new RegExp(`.{1,${LINE_LENGTH}}`, "g")) ?? [];
    const script = readFileSync(join(REPOSITORY, "deploy/guest/install.sh"), "utf8");
    const outfile = join(folder, "selfscale-monitor-install.sh");
    writeFileSync(outfile, `${script}${lines.join("\n")}\n`);
    chmodSync(outfile, 0o755);
    return outfile;
  } finally {
    rmSync(parts, { recursive: true });
  }
}
