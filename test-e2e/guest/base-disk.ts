// The guest's root disk: Debian's smallest, PostgreSQL, and the node that runs this very file.
import { mkdirSync, realpathSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { addNode } from "./add-node.ts";
import { debianSources, SUITE } from "./apt-sources.ts";
import { cached } from "./cache.ts";
import { run } from "./run.ts";

/** perl-base, which the exec channel and the loads need, is part of minbase. */
const PACKAGES = ["postgresql-15", "busybox-static", "iproute2", "procps", "util-linux"];

const MMDEBSTRAP = [
  "--variant=minbase",
  "--mode=root",
  `--include=${PACKAGES.join(",")}`,
  '--aptopt=Apt::Install-Recommends "false"',
  ...["doc", "man", "locale", "i18n"].map((dir) => `--dpkgopt=path-exclude=/usr/share/${dir}/*`),
];

/** Not needed at run time. LLVM is 100 MB for PostgreSQL's JIT, which pg.conf turns off. */
const DROPPED = [
  "var/cache/apt",
  "var/lib/apt/lists",
  "etc/apt/sources.list",
  "usr/lib/postgresql/15/lib/bitcode",
  "usr/lib/postgresql/15/lib/llvmjit.so",
  "usr/lib/x86_64-linux-gnu/libLLVM-14.so.1",
];

/** No journal: the disk is a throw-away copy, and journal writes would blur what tests measure. */
const MKFS = [
  "-q",
  "-F",
  "-O",
  "^has_journal,^metadata_csum",
  "-E",
  "lazy_itable_init=1",
  "-m",
  "0",
];
const DISK_SIZE = "3072M";

/** The disk's file. */
export async function ensureBaseDisk(): Promise<string> {
  const node = realpathSync(process.execPath);
  const dir = await cached({
    name: "base",
    key: [...MMDEBSTRAP, ...DROPPED, ...MKFS, DISK_SIZE, process.version, `${statSync(node).size}`],
    keep: 2,
    what: `disk with Debian ${SUITE}, PostgreSQL 15 and node ${process.version}`,
    build: async (dir) => {
      if (process.getuid?.() !== 0) {
        throw new Error('building the guest image needs root: run it as "sudo make ..."');
      }
      const root = join(dir, "root");
      await run("mmdebstrap", [...MMDEBSTRAP, ...(await aptSettings()), SUITE, root, "-"], {
        input: `${debianSources().join("\n")}\n`,
      });
      for (const path of DROPPED) rmSync(join(root, path), { recursive: true, force: true });
      await addNode(root, node);
      // Where the second disk goes, see tools-disk.ts.
      mkdirSync(join(root, "opt/selfscale"), { recursive: true });
      await makeDisk(root, join(dir, "disk.raw"), DISK_SIZE);
      rmSync(root, { recursive: true });
    },
  });
  return join(dir, "disk.raw");
}

/** An ext4 disk with the folder's files, made without mounting anything. */
export async function makeDisk(root: string, file: string, size: string): Promise<void> {
  await run("truncate", ["-s", size, file]);
  await run("mkfs.ext4", [...MKFS, "-d", root, file]);
}

/** mmdebstrap does not read the machine's apt configuration, where a proxy or a frozen mirror may be named. */
async function aptSettings(): Promise<string[]> {
  const settings = (await run("apt-config", ["dump"])).split("\n");
  return settings
    .filter(
      (line) => /^Acquire::(https?::proxy|check-valid-until) /i.test(line) && !line.includes('""'),
    )
    .map((line) => `--aptopt=${line}`);
}
