// Run as a process of its own: it must end by itself once its client is closed. No process.exit
// here.
import { QmpClient } from "../index.ts";

const [address] = process.argv.slice(2);
const client = await QmpClient.connect(address ?? "", { greetingTimeoutMs: 60_000 });
await client.execute("query-status", {}, { timeoutMs: 60_000 });
client.close();
await client.closed;
process.stdout.write("closed\n");
