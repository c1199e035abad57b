import { setTimeout as pause } from "node:timers/promises";
import { Load } from "../../harness/load.ts";
import { DEMO_BOUNDS } from "../../harness/stack.ts";
import { type Story } from "./studio.ts";

const LOAD_MIB = 700;
const QUIET_MS = 6_000;
/** The metrics decide after seconds instead of a minute; the rest is as deployed. */
const LEGACY = {
  legacy: { computeUnit: { cpu: 0.5, mem: "512Mi" } },
  timers: { metricsModeAfterMs: 2_000, scrapeEveryMs: 1_000, retryMinMs: 1_000 },
};

export const VERSION_1: readonly Story[] = [
  {
    name: "version-1",
    about: "asked for more by a VM without metrics; asked to shrink, refused, then agreed to",
    play: async (studio) => {
      await studio.monitor(["--protocol-max", "1"]);
      let load: Load | null = null;
      await studio.withAgent("version-1-growth", { agent: LEGACY }, async () => {
        load = await Load.start(studio.guest, LOAD_MIB, 40);
        await pause(QUIET_MS);
      });
      const bounds = { ...DEMO_BOUNDS, max: { ...DEMO_BOUNDS.max, mem: "512Mi" } };
      const setup = { vm: { metrics: studio.guest.metricsUrl, bounds }, agent: LEGACY };
      await studio.withAgent("version-1-shrink", setup, async () => {
        await studio.untilReason("consent-refused");
        await load?.end();
        await studio.untilSmall();
      });
      await studio.keepMonitors("version-1");
    },
  },
  {
    name: "version-1-probe",
    about: "a version-1 link on which the monitor tries a ScaleRequest, and is understood",
    play: async (studio) => {
      await studio.monitor(["--protocol-max", "1"], "probeScaleRequest: true");
      await studio.withAgent("version-1-probe", {}, async () => {
        await studio.untilMode("compute-controlled");
        const load = await Load.start(studio.guest, LOAD_MIB, 100);
        await pause(QUIET_MS);
        await load.end();
        // It knows no bounds on this link, so it never asks for less memory than it has: but for fewer CPUs.
        await pause(QUIET_MS);
      });
      await studio.keepMonitors("version-1-probe");
    },
  },
];
