// Debian's cloud kernel as QEMU starts it fastest (a bare ELF), and an initramfs that finds the disks.
import { copyFileSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { cached, FILES_DIR } from "./cache.ts";
import { PrivateApt } from "./private-apt.ts";
import { run } from "./run.ts";

const KERNEL_PACKAGE = "linux-image-cloud-amd64";
/** Everything virtio is a module in this kernel. button and evdev bring the power button. */
const MODULES = ["virtio_pci", "virtio_mem", "virtio_net", "virtio_blk", "button", "evdev"];
const BUSYBOX = "/bin/busybox";

export type Kernel = Readonly<{ vmlinux: string; initramfs: string; manifest: KernelManifest }>;
export type KernelManifest = Readonly<{ package: string; packageVersion: string; release: string }>;

/** The kernel that the guest's Debian offers when it is first asked for; kept until the recipe changes. */
export async function ensureKernel(): Promise<Kernel> {
  const init = join(FILES_DIR, "initramfs-init");
  const dir = await cached({
    name: "kernel",
    key: [KERNEL_PACKAGE, ...MODULES, readFileSync(init, "utf8")],
    keep: 2,
    what: "kernel and initramfs",
    build: async (dir) => {
      const unpacked = join(dir, "unpacked");
      const kernel = await fetchKernel(dir, unpacked);
      const image = readFileSync(join(unpacked, "boot", `vmlinuz-${kernel.release}`));
      await extractVmlinux(image, join(dir, "vmlinux"));
      await makeInitramfs(unpacked, kernel.release, init, join(dir, "initramfs.cpio"));
      writeFileSync(join(dir, "manifest.json"), `${JSON.stringify(kernel, null, 2)}\n`);
      rmSync(unpacked, { recursive: true });
    },
  });
  const manifest = JSON.parse(readFileSync(join(dir, "manifest.json"), "utf8")) as KernelManifest;
  return { vmlinux: join(dir, "vmlinux"), initramfs: join(dir, "initramfs.cpio"), manifest };
}

async function fetchKernel(dir: string, unpacked: string): Promise<KernelManifest> {
  const aptDir = join(dir, "apt");
  const apt = await PrivateApt.open(aptDir);
  const name = await apt.firstDependency(KERNEL_PACKAGE, /^linux-image-/);
  await apt.download(name, dir);
  rmSync(aptDir, { recursive: true });
  const deb = readdirSync(dir).find((file) => file.endsWith(".deb"));
  if (deb === undefined) throw new Error(`apt-get download ${name} left no file`);
  await run("dpkg-deb", ["-x", join(dir, deb), unpacked]);
  const packageVersion = (await run("dpkg-deb", ["-f", join(dir, deb), "Version"])).trim();
  rmSync(join(dir, deb));
  return { package: name, packageVersion, release: name.replace("linux-image-", "") };
}

type Unpacker = Readonly<{ magic: string; command: string }>;
const UNPACKERS: readonly Unpacker[] = [
  { magic: "02214c18", command: "lz4" },
  { magic: "28b52ffd", command: "zstd" },
  { magic: "fd377a585a00", command: "xz" },
  { magic: "1f8b08", command: "gzip" },
];

/** The ELF kernel inside a bzImage; QEMU enters it by its PVH note, 2 s sooner than a bzImage. */
async function extractVmlinux(image: Buffer, file: string): Promise<void> {
  // Linux boot protocol: setup_sects, then payload_offset and payload_length (since 2.08).
  const setupBytes = (image.readUInt8(0x1f1) + 1) * 512;
  const start = setupBytes + image.readUInt32LE(0x248);
  // The payload's last four bytes are its unpacked size, which is not part of the packed stream.
  const payload = image.subarray(start, start + image.readUInt32LE(0x24c) - 4);
  const packed = UNPACKERS.find(({ magic }) =>
    payload.subarray(0, magic.length / 2).equals(Buffer.from(magic, "hex")),
  );
  if (packed === undefined) throw new Error("the kernel is packed in a way not known here");
  const source = `${file}.packed`;
  writeFileSync(source, payload);
  await run("sh", ["-c", `exec ${packed.command} -dc <"$1" >"$2"`, "sh", source, file]);
  rmSync(source);
}

async function makeInitramfs(
  unpacked: string,
  release: string,
  init: string,
  file: string,
): Promise<void> {
  const root = `${file}.root`;
  const from = join(unpacked, "lib/modules", release);
  const to = join(root, "lib/modules", release);
  for (const dir of ["bin", "dev", "proc", "sys", "newroot"]) {
    mkdirSync(join(root, dir), { recursive: true });
  }
  mkdirSync(to, { recursive: true });
  for (const path of await modulesWithNeeds(from)) copyFileSync(path, join(to, basename(path)));
  for (const list of ["modules.builtin", "modules.builtin.modinfo", "modules.order"]) {
    copyFileSync(join(from, list), join(to, list));
  }
  await run("depmod", ["-b", root, release]);
  copyFileSync(BUSYBOX, join(root, "bin/busybox"));
  writeFileSync(join(root, "init"), readFileSync(init), { mode: 0o755 });
  writeFileSync(join(root, "modules"), `${MODULES.join("\n")}\n`);
  const pack = 'cd "$1" && find . | LC_ALL=C sort | cpio -o -H newc --quiet --reproducible >"$2"';
  await run("sh", ["-c", pack, "sh", root, `${file}.tmp`]);
  renameSync(`${file}.tmp`, file);
  rmSync(root, { recursive: true });
}

/** The files of MODULES and of every module they need, by the modules' own words. */
async function modulesWithNeeds(dir: string): Promise<Set<string>> {
  const files = readdirSync(dir, { recursive: true, encoding: "utf8" });
  const byName = new Map(
    files
      .filter((path) => /\.ko(\.xz|\.zst)?$/.test(path))
      .map((path) => [moduleName(path), join(dir, path)]),
  );
  const found = new Set<string>();
  const queue = [...MODULES];
  for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
    const path = byName.get(moduleName(name));
    // What is not a module here is built in.
    if (path === undefined || found.has(path)) continue;
    found.add(path);
    const needs = (await run("modinfo", ["-F", "depends", path])).trim();
    queue.push(...needs.split(",").filter((need) => need !== ""));
  }
  return found;
}

/** The kernel treats "-" and "_" alike. */
function moduleName(path: string): string {
  return basename(path)
    .replace(/\.ko.*$/, "")
    .replaceAll("-", "_");
}
