// Where in the cgroup hierarchies a process or a folder is, and the limits above it. Version 1 has a hierarchy per
// controller, version 2 one for all; some machines have both at once.
import path from "node:path";
import { readText } from "./read-text.ts";

/** Root of one mounted hierarchy. */
type Mount = Readonly<{
  folder: string;
  /** Which part of the hierarchy is mounted there: "/" but in containers. */
  root: string;
  /** Controllers of version 1; null: version 2. */
  controllers: readonly string[] | null;
}>;

/** What limits CPU or memory, the folder itself first and then those above it. Version 1 and 2 may both have some. */
export type Folders = Readonly<{ cpu: readonly string[]; mem: readonly string[] }>;

type Place = Readonly<{ mount: Mount; relative: string }>;

/** Folders above this process's own: its own limit is the agent's, not that of the QEMUs. */
export function foldersAboveSelf(proc: string): Folders {
  const places = mountsOf(proc).flatMap((mount): Place[] => {
    const own = ownPath(proc, mount);
    const relative = own === null ? null : below(mount.root, own);
    return relative === null || relative === "/"
      ? []
      : [{ mount, relative: path.dirname(relative) }];
  });
  return foldersOf(places);
}

/** `folder` and those above it, in each hierarchy that has a folder of this name. */
export function foldersFrom(proc: string, folder: string): Folders {
  const mounts = mountsOf(proc);
  // The longest mount that holds it: a hierarchy may be mounted below another one's folder.
  const home = mounts
    .filter((mount) => below(mount.folder, folder) !== null)
    .sort((a, b) => b.folder.length - a.folder.length)[0];
  if (home === undefined) return { cpu: [folder], mem: [folder] };
  const relative = below(home.folder, folder) ?? "/";
  return foldersOf(mounts.map((mount) => ({ mount, relative })));
}

function foldersOf(places: readonly Place[]): Folders {
  const of = (controller: string) =>
    places
      .filter(({ mount }) => mount.controllers?.includes(controller) ?? true)
      .flatMap(({ mount, relative }) => upwards(mount.folder, relative));
  return { cpu: of("cpu"), mem: of("memory") };
}

/** From the deepest to the hierarchy's root. */
function upwards(mount: string, relative: string): string[] {
  const found: string[] = [];
  for (let at = relative; ; at = path.dirname(at)) {
    found.push(path.join(mount, at));
    if (at === "/" || at === ".") return found;
  }
}

/** Lines of mountinfo: id parent major:minor root folder options [optional …] - type source superOptions. */
function mountsOf(proc: string): readonly Mount[] {
  const lines = (readText(path.join(proc, "self/mountinfo")) ?? "").split("\n");
  return lines.flatMap((line): Mount[] => {
    const [front = "", back = ""] = line.split(" - ");
    const [, , , root = "/", folder = ""] = front.split(" ").map(unescape);
    const [type, , options = ""] = back.split(" ");
    if (type === "cgroup2") return [{ folder, root, controllers: null }];
    return type === "cgroup" ? [{ folder, root, controllers: options.split(",") }] : [];
  });
}

/** mountinfo writes spaces and the like as three octal digits. */
function unescape(word: string): string {
  return word.replaceAll(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

/** Lines of /proc/self/cgroup: id:controllers:path; version 2 is 0 and names none. */
function ownPath(proc: string, { controllers }: Mount): string | null {
  for (const line of (readText(path.join(proc, "self/cgroup")) ?? "").split("\n")) {
    const [, names = "", ...rest] = line.split(":");
    const isIt =
      controllers === null
        ? line.startsWith("0::")
        : names.split(",").some((name) => name !== "" && controllers.includes(name));
    if (isIt) return rest.join(":");
  }
  return null;
}

/** "/a/b" below "/a" is "/b"; null: it is not below, or outside of what this process may see. */
function below(root: string, file: string): string | null {
  if (file.startsWith("/..")) return null;
  if (root === "/" || file === root) return file === root ? "/" : file;
  return file.startsWith(`${root}/`) ? file.slice(root.length) : null;
}
