// A machine as the kernel shows it: /proc, and cgroup hierarchies mounted where the test says.
import fs from "node:fs";
import path from "node:path";
import { makeTempDir } from "./temp-dir.ts";

export type Files = Readonly<Record<string, string | number>>;

export type TestMachine = Readonly<{
  proc: string;
  /** Of a file or folder below the machine's root. */
  at: (name: string) => string;
  write: (files: Files) => void;
  remove: (name: string) => void;
}>;

/** `files`: by their names below the root, their text as the kernel would give it, "ROOT" standing for the root. */
export function makeMachine(files: Files = {}): TestMachine {
  const root = makeTempDir();
  const at = (name: string) => path.join(root, name);
  const write = (more: Files) => {
    for (const [name, text] of Object.entries(more)) {
      fs.mkdirSync(path.dirname(at(name)), { recursive: true });
      fs.writeFileSync(at(name), `${String(text).replaceAll("ROOT", root)}\n`);
    }
  };
  write({ "proc/meminfo": "MemTotal: 16777216 kB", "proc/stat": "cpu  1\ncpu0 1\ncpu1 1" });
  write(files);
  return { proc: at("proc"), at, write, remove: (name) => fs.rmSync(at(name)) };
}

/** One line of mountinfo. */
export function mountOf(folder: string, type: string, options: string, root = "/"): string {
  return `31 23 0:28 ${root} ${folder} rw,relatime shared:9 - ${type} ${type} ${options}`;
}
