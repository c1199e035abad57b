// Run as a process of its own that may write only small files: what a full disk does to a recorder. Prints what the log
// was told, and how the process fared.
import { statSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { Recorder } from "../recorder.ts";

const DEADLINE_MS = 20_000;

const said: string[] = [];
const log = {
  info: () => undefined,
  warn: (fields: object, message: string) => void said.push(`${message} ${JSON.stringify(fields)}`),
};
let now = 0;
const file = process.argv[2] ?? "";
const recorder = await Recorder.start({ file, app: "agent", release: "0", log, now: () => now });
const tape = recorder.connection({ vm: null, address: "127.0.0.1:1" });
const giveUpAt = performance.now() + DEADLINE_MS;
for (let second = 0; second < 60; second += 1) {
  now = second * 1000;
  const before = statSync(file).size;
  tape.said(`{"text":"${"x".repeat(400)}","id":${second}}`);
  // Line by line, as long as the disk takes them: lines that wait for a slow disk are written, and refused, together.
  while (said.length === 0 && statSync(file).size === before) {
    if (performance.now() > giveUpAt) throw new Error(`line ${second} is not on disk`);
    await setImmediate();
  }
}
await recorder.stop();
process.stdout.write(JSON.stringify({ said }));
