import { setTimeout as pause } from "node:timers/promises";
import { Load } from "../../harness/load.ts";
import { DEMO_BOUNDS } from "../../harness/stack.ts";
import { until } from "../../harness/until.ts";
import { type Story } from "./studio.ts";

const LOAD_MIB = 900;
/** Health checks are part of a conversation: two of them. */
const QUIET_MS = 11_000;

export const VERSION_2: readonly Story[] = [
  {
    name: "version-2",
    about: "growth; a cut of the bounds, refused, then agreed to; a monitor that restarts",
    play: async (studio) => {
      await studio.monitor([]);
      let load: Load | null = null;
      await studio.withAgent("version-2-growth", {}, async () => {
        await studio.untilMode("compute-controlled");
        load = await Load.start(studio.guest, LOAD_MIB, 100);
        await pause(QUIET_MS);
      });
      const bounds = { ...DEMO_BOUNDS, max: { ...DEMO_BOUNDS.max, mem: "768Mi" } };
      await studio.withAgent("version-2-shrink", { vm: { bounds } }, async () => {
        await studio.untilReason("consent-refused");
        await load?.end();
        await studio.untilSmall();
        await studio.keepMonitors("version-2");
        await studio.monitor([]);
        await until("the new monitor speaks", async () => {
          const { link } = await studio.agent.vm(studio.guest.name);
          const { counters } = await studio.agent.vm(studio.guest.name);
          return link.state === "up" && (counters["dials"] ?? 0) > 1;
        });
        await pause(QUIET_MS);
      });
    },
  },
];
