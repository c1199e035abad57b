import path from "node:path";
import { PRESSURES, type NodeSignals, type Pressure } from "@selfscale/core";
import { type NodePlace } from "./detect.ts";
import { findNumber, readText } from "./read-text.ts";

/** How the node fares at this moment: six small files, read each second. */
export function readSignals(place: NodePlace): NodeSignals {
  const meminfo = readText(path.join(place.proc, "meminfo"));
  const vmstat = readText(path.join(place.proc, "vmstat"));
  const [swappedIn, swappedOut] = ["pswpin", "pswpout"].map((name) =>
    findNumber(vmstat, new RegExp(`^${name} (\\d+)$`, "m")),
  );
  const bytes = (name: string) => {
    const kib = findNumber(meminfo, new RegExp(`^${name}:\\s+(\\d+) kB$`, "m"));
    return kib === null ? null : kib * 1024;
  };
  return {
    stalledUs: Object.fromEntries(
      PRESSURES.map((pressure) => [pressure, readStall(place, pressure)]),
    ) as Record<Pressure, number | null>,
    swappedPages:
      typeof swappedIn === "number" && typeof swappedOut === "number"
        ? swappedIn + swappedOut
        : null,
    swapFreeBytes: bytes("SwapFree"),
    availableBytes: bytes("MemAvailable"),
  };
}

/** The slice's own where there is one (cgroup version 2), else the machine's; null: the kernel keeps none. */
function readStall({ proc, cgroup }: NodePlace, pressure: Pressure): number | null {
  const own = cgroup === null ? null : readText(path.join(cgroup, `${pressure}.pressure`));
  const text = own ?? readText(path.join(proc, "pressure", pressure));
  return findNumber(text, /^some .*total=(\d+)$/m);
}
