import fs from "node:fs";
import path from "node:path";
import { makeTempDir } from "./temp-dir.ts";

/** The smallest file that is right. */
export const GOOD = `node: { cpu: 4, mem: 3Gi }
vms:
  - name: pg-1
    qmp: unix:/run/vm/pg-1.qmp
    monitor: ws://127.0.0.1:20301/monitor
    bounds: { min: { cpu: 1, mem: 512Mi }, max: { cpu: 4, mem: 2560Mi } }
`;

/** The good file with each of these pieces replaced by the other. */
export function edit(...pairs: readonly (readonly [string, string])[]): string {
  let text = GOOD;
  for (const [from, to] of pairs) {
    if (!text.includes(from)) throw new Error(`the good file has no ${JSON.stringify(from)}`);
    text = text.replace(from, to);
  }
  return text;
}

/** Another VM to append to it. */
export const SECOND = `  - name: pg-2
    qmp: unix:/run/vm/pg-2.qmp
    monitor: ws://127.0.0.1:20302/monitor
    bounds: { min: { cpu: 500m, mem: 512Mi }, max: { cpu: 4, mem: 2Gi } }
`;

/** Writes the file and gives its folder beside it. */
export function writeConfig(text: string): { folder: string; file: string } {
  const folder = makeTempDir();
  const file = path.join(folder, "agent.yaml");
  fs.writeFileSync(file, text);
  return { folder, file };
}
