import { afterEach, expect, test } from "vitest";
import { MetricsServer, renderMetrics } from "./metrics-server.ts";

const metrics = [
  { name: "host_load1", help: "Load average of 1 minute.", type: "gauge", value: 0.25 },
  { name: "host_memory_total_bytes", help: "MemTotal.", type: "gauge", value: 25_276_502_016 },
] as const;
const text = `# HELP host_load1 Load average of 1 minute.
# TYPE host_load1 gauge
host_load1 0.25
# HELP host_memory_total_bytes MemTotal.
# TYPE host_memory_total_bytes gauge
host_memory_total_bytes 25276502016
`;

const running: MetricsServer[] = [];
afterEach(async () => {
  for (const server of running.splice(0)) await server.stop();
});

test("the text format, numbers in full", () => {
  expect(renderMetrics(metrics)).toBe(text);
});

test("serves /metrics and nothing else", async () => {
  const server = new MetricsServer(() => metrics);
  running.push(server);
  const { port } = await server.listen({ address: "127.0.0.1", port: 0 });
  const answer = await fetch(`http://127.0.0.1:${port}/metrics`);
  expect(answer.headers.get("content-type")).toContain("text/plain; version=0.0.4");
  expect(await answer.text()).toBe(text);
  expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(404);
});
