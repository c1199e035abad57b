// A measurement in the units of the laboratory's machine.
import { type ActuatorProfile } from "../machine/profile.ts";
import { type Calibration } from "./types.ts";

const GIB = 1024 ** 3;
const MS_PER_SEC = 1000;

/** From the medians. CPU comes down by quota; where there was none to measure, by going offline in the guest. */
export function actuatorOf(calibration: Calibration): ActuatorProfile {
  const { idle, used } = calibration.partialUnplugs;
  const cpuDownMs = calibration.quotaDownMs ?? calibration.cpuOfflineMs;
  return {
    cpuUpSec: calibration.cpuUpMs.median / MS_PER_SEC,
    cpuDownSec: cpuDownMs.median / MS_PER_SEC,
    memUpSec: calibration.memUpFixedMs.median / MS_PER_SEC,
    memUpGibPerSec: calibration.memUpBytesPerSec.median / GIB,
    memDownSec: calibration.memDownFixedMs.median / MS_PER_SEC,
    memDownGibPerSec: calibration.memDownBytesPerSec.median / GIB,
    partialUnplugShare: (idle.partial + used.partial) / (idle.n + used.n),
  };
}
