// A version-1 compute: its monitor names no sizes, so the agent reads its metrics and computes the goal.
import { once } from "node:events";
import http from "node:http";
import { type AddressInfo } from "node:net";
import { expect, onTestFinished, test, vi } from "vitest";
import { legacyOf } from "../config/legacy.ts";
import { QUICK, size, startFleet, vmConfig } from "../testing/fleet.ts";
import { startGuest } from "../testing/guest.ts";
import { MIB } from "../testing/qemu.ts";
import { startScriptedQemu } from "../testing/scripted-qemu.ts";
import { PATIENT, until } from "../testing/wait.ts";

vi.setConfig(PATIENT);

const UUID = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";

/** Host metrics of a guest of 256 MiB, of which this much is used (100 MiB are added by the rule). */
type Page = { usedMib: number; status: number };

async function startMetrics(page: Page): Promise<string> {
  const server = http.createServer((_, response) => {
    response
      .writeHead(page.status)
      .end(
        [
          "host_load1 0.1",
          "host_load5 0.1",
          `host_memory_total_bytes ${1000 * MIB}`,
          `host_memory_available_bytes ${(1100 - page.usedMib) * MIB}`,
          "host_memory_cached_bytes 0",
          "",
        ].join("\n"),
      );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`;
}

test("follows the deployed formula, by the metrics scraped", async () => {
  const page: Page = { usedMib: 424, status: 200 };
  const qemu = await startScriptedQemu(UUID, 128 * MIB);
  const guest = await startGuest({ uuid: UUID, version: 1 });
  const metricsUrl = await startMetrics(page);
  const vm = vmConfig({ name: "old", socket: qemu.socket, url: guest.monitor.url }, { metricsUrl });
  const legacy = { ...legacyOf(undefined, undefined), computeUnit: size(0.25, 128) };
  const { fleet, lines } = startFleet([{ ...vm, spec: { ...vm.spec, legacy } }], {
    timers: { metricsModeAfterMs: 100 },
    shellTimers: { ...QUICK, scrapeEveryMs: 50 },
  });
  // 424 MiB ÷ 0.75 ÷ 128 MiB = 4.4 units: 5 units are 640 MiB, of which 128 are base.
  await until("growth", () => qemu.requestedBytes === 512 * MIB);
  await until("the mode", () => fleet.status().vms[0]?.mode === "metrics-based");
  await until("the notification", () => guest.framesOf("UpscaleNotification").length > 0);
  expect([...guest.framesOf("ScaleResponse"), ...guest.framesOf("SizeReport")]).toEqual([]);

  page.usedMib = 280; // 2.9 units: 3 units are 384 MiB; the monitor is asked first
  await until("the shrink", () => qemu.requestedBytes === 256 * MIB);
  expect(guest.framesOf("DownscaleRequest").length).toBeGreaterThan(0);

  page.status = 500;
  await until("the problem", () => lines.some(({ problem }) => problem === "HTTP 500"));
  await until("more of it", () => (fleet.status().vms[0]?.counters.scrapesFailed ?? 0) > 3);
  expect(lines.filter(({ problem }) => problem === "HTTP 500")).toHaveLength(1);
});
