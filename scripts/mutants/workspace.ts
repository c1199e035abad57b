// A copy of the repository in a temporary folder, whose code carries the switches of all chosen mutants. The
// working tree is never touched, and packages find each other inside the copy.
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, sep } from "node:path";
import { instrument, type Numbered } from "./instrument.ts";
import { type Mutant } from "./mutant.ts";
import { mutantsOf } from "./sites.ts";

/** What is mutated, and which folders' tests are to notice. Paths are relative to `root`. */
export type Project = Readonly<{ root: string; mutated: string; tested: readonly string[] }>;

export type Workspace = Readonly<{
  folder: string;
  testFiles: readonly string[];
  remove: () => void;
}>;

/** Not code: what is built, cached or fetched. Installed packages are linked, not copied. */
const LEFT_OUT = new Set(["node_modules", ".git", ".cache", "dist", "coverage"]);

/** Every mutant of the project, in the order of files and lines. */
export function allMutants(project: Project): readonly Mutant[] {
  const root = join(project.root, project.mutated);
  return filesUnder(root)
    .filter((path) => path.endsWith(".ts") && !/\.test\.ts$|(^|\/)testing\//.test(path))
    .flatMap((path) => mutantsOf(path, readFileSync(join(root, path), "utf8")));
}

export function buildWorkspace(project: Project, mutants: readonly Numbered[]): Workspace {
  const folder = mkdtempSync(join(tmpdir(), "selfscale-mutants-"));
  const name = (path: string): string => relative(project.root, path).split(sep).at(-1) ?? "";
  cpSync(project.root, folder, { recursive: true, filter: (path) => !LEFT_OUT.has(name(path)) });
  symlinkSync(join(project.root, "node_modules"), join(folder, "node_modules"));
  for (const group of ["packages", "apps"]) linkPackages(project.root, folder, group);
  for (const file of new Set(mutants.map(({ mutant }) => mutant.file))) {
    const path = join(folder, project.mutated, file);
    const own = mutants.filter(({ mutant }) => mutant.file === file);
    writeFileSync(path, instrument(readFileSync(path, "utf8"), own));
  }
  const testFiles = project.tested.flatMap((tested) =>
    filesUnder(join(folder, tested))
      .filter((path) => path.endsWith(".test.ts"))
      .map((path) => join(tested, path)),
  );
  return {
    folder,
    testFiles,
    remove: () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }),
  };
}

/** Links between packages are relative: copied as they are, they stay inside the copy. */
function linkPackages(root: string, folder: string, group: string): void {
  for (const path of entries(join(root, group))) {
    const modules = join(group, path, "node_modules");
    if (entries(join(root, modules)).length === 0) continue;
    cpSync(join(root, modules), join(folder, modules), { recursive: true, verbatimSymlinks: true });
  }
}

function entries(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // not there, or a file: nothing in it
  }
}

function filesUnder(folder: string): readonly string[] {
  const found = readdirSync(folder, { recursive: true, encoding: "utf8" });
  return found
    .map((path) => path.split(sep).join("/"))
    .filter((path) => !/(^|\/)node_modules\//.test(path))
    .sort();
}
