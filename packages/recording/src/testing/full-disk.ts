// Run as a process of its own that may write only small files: what a full disk does to a recorder. Prints what the log
// was told, and how the process fared.
import { Recorder } from "../recorder.ts";

const said: string[] = [];
const log = {
  info: () => undefined,
  warn: (fields: object, message: string) => void said.push(`${message} ${JSON.stringify(fields)}`),
};
let now = 0;
const file = process.argv[2] ?? "";
const recorder = await Recorder.start({ file, app: "agent", release: "0", log, now: () => now });
const tape = recorder.connection({ vm: null, address: "127.0.0.1:1" });
for (let second = 0; second < 60; second += 1) {
  now = second * 1000;
  tape.said(`{"text":"${"x".repeat(400)}","id":${second}}`);
  await new Promise((resolve) => setImmediate(resolve));
}
await recorder.stop();
process.stdout.write(JSON.stringify({ said }));
