// A folder for one test's sockets, short enough for sun_path.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

export type TempDir = Readonly<{
  path: string;
  file: (name: string) => string;
  remove: () => void;
}>;

export function makeTempDir(): TempDir {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "qmp-"));
  return {
    path: dir,
    file: (name) => path.join(dir, name),
    remove: () => {
      fs.rmSync(dir, { recursive: true, force: true });
    },
  };
}
