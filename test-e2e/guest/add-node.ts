// The node that runs this very file, made to run in the guest as well.
import { copyFileSync, existsSync, mkdirSync, readFileSync, realpathSync } from "node:fs";
import { chmodSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { run } from "./run.ts";

/** Where a node that needs a newer libc than the guest's lives, seen from inside. */
const OWN_HOME = "/opt/node";
/** Debian's node reads part of its own code from here, and says so nowhere but in its bytes. */
const OUTSIDE_CODE = /\/usr\/share\/nodejs\/[\w./-]+\.(?:js|wasm)/g;

/** Puts node at /usr/bin/node of this root folder. Needs chroot, to see whether it starts. */
export async function addNode(root: string, node: string): Promise<void> {
  const target = join(root, "usr/bin/node");
  const libraries = await librariesOf(node);
  const added = libraries.filter((library) => !existsSync(join(root, library)));
  copyFileSync(node, target);
  for (const library of added) copyInto(root, library);
  for (const file of outsideCode([node, ...libraries])) copyInto(root, file);
  if (await starts(root)) return;

  for (const path of [target, ...added.map((library) => join(root, library))]) rmSync(path);
  addWithItsLibc(root, node, libraries);
  if (!(await starts(root))) throw new Error(`${node} does not run in the guest's root`);
}

/** Linked against a newer libc, as Debian 13's is: with every library of its own, through its own loader. */
function addWithItsLibc(root: string, node: string, libraries: readonly string[]): void {
  const home = join(root, OWN_HOME);
  mkdirSync(join(home, "lib"), { recursive: true });
  for (const library of libraries) {
    copyFileSync(realpathSync(library), join(home, "lib", basename(library)));
  }
  const loader = libraries.find((library) => basename(library).startsWith("ld-linux"));
  if (loader === undefined) throw new Error(`ldd ${node} names no loader`);
  // The kernel names a process after the file it runs, and tests look for "node".
  copyFileSync(realpathSync(loader), join(home, "node"));
  copyFileSync(node, join(home, "node.bin"));
  const command = `${OWN_HOME}/node --library-path ${OWN_HOME}/lib ${OWN_HOME}/node.bin`;
  const target = join(root, "usr/bin/node");
  writeFileSync(target, `#!/bin/sh\nexec ${command} "$@"\n`);
  for (const path of [target, join(home, "node"), join(home, "node.bin")]) chmodSync(path, 0o755);
}

async function librariesOf(node: string): Promise<string[]> {
  const listed = (await run("ldd", [node])).matchAll(/\/\S+/g);
  return [...new Set([...listed].map(([library]) => library))];
}

/** Files that node and its own libraries name and this machine has. */
function outsideCode(binaries: readonly string[]): Set<string> {
  const own = binaries.filter((path) => basename(path).includes("node"));
  const named = own.flatMap((path) => readFileSync(path, "latin1").match(OUTSIDE_CODE) ?? []);
  return new Set(named.filter((path) => existsSync(path)));
}

function copyInto(root: string, path: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  copyFileSync(realpathSync(path), join(root, path));
}

/** Without our environment: NODE_OPTIONS may name files that only we have. */
async function starts(root: string): Promise<boolean> {
  return await run("chroot", [root, "env", "-i", "/usr/bin/node", "--eval", "0"]).then(
    () => true,
    () => false,
  );
}
