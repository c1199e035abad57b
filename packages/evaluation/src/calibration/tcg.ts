// Written by `make calibrate`: measured, not chosen. docs/calibration.md says how.
import { type Calibration } from "./types.ts";

export const TCG_CALIBRATION: Calibration = {
  profile: "tcg",
  measuredAt: "2026-11-26T04:42:01.817Z",
  machine: {
    cpu: "AMD EPYC",
    cores: 2,
    memBytes: 25276502016,
    kernel: "6.18.44-fc-v669",
    qemu: "7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)",
    guest: "1 vCPU and 512 MiB, up to 4 vCPUs and 2560 MiB, virtio-mem",
    loadBefore: 2.34,
    loadAfter: 4.23,
  },
  cpuUpMs: { n: 18, median: 203.5, p10: 165.8, p90: 420.5 },
  cpuSeenMs: { n: 18, median: 28.07, p10: 23.42, p90: 46.51 },
  cpuOnlineMs: { n: 30, median: 63.81, p10: 46.03, p90: 94.86 },
  cpuOfflineMs: { n: 30, median: 55.01, p10: 43.47, p90: 92.9 },
  quotaDownMs: { n: 30, median: 33.51, p10: 13.69, p90: 85.62 },
  quotaUpMs: { n: 30, median: 5.671, p10: 1.615, p90: 9.653 },
  memUpSteps: [
    { bytes: 134217728, n: 10, median: 15.58, p10: 9.379, p90: 19.98 },
    { bytes: 268435456, n: 10, median: 20.29, p10: 15.53, p90: 26.03 },
    { bytes: 536870912, n: 10, median: 28.16, p10: 22.08, p90: 35.39 },
    { bytes: 1073741824, n: 10, median: 42.56, p10: 37.37, p90: 51.99 },
    { bytes: 2147483648, n: 10, median: 70.32, p10: 69.31, p90: 81.62 },
  ],
  memUpFixedMs: { n: 50, median: 12.28, p10: 8.069, p90: 21.37 },
  memUpBytesPerSec: { n: 50, median: 33750000000, p10: 6718000000, p90: 48110000000 },
  memDownSteps: [
    { bytes: 134217728, n: 10, median: 248.1, p10: 144.9, p90: 409.1 },
    { bytes: 268435456, n: 10, median: 329.2, p10: 316.8, p90: 493.8 },
    { bytes: 536870912, n: 10, median: 742.3, p10: 596.7, p90: 849.5 },
    { bytes: 1073741824, n: 10, median: 1342, p10: 1233, p90: 1360 },
    { bytes: 2147483648, n: 10, median: 2589, p10: 2428, p90: 2838 },
  ],
  memDownFixedMs: { n: 50, median: 87.26, p10: -28.49, p90: 268.3 },
  memDownBytesPerSec: { n: 50, median: 848700000, p10: 675100000, p90: 1102000000 },
  partialUnplugs: {
    idle: { n: 50, partial: 0, share: 0, doneShare: 1 },
    used: { n: 20, partial: 0, share: 0, doneShare: 1 },
  },
  resizeCost: {
    cpuPlugMs: { n: 15, median: 171.8, p10: -44.16, p90: 512.6 },
    memPlugMsPer128MiB: { n: 15, median: 6.323, p10: -125.9, p90: 97.87 },
    memUnplugMsPer128MiB: { n: 15, median: 330.6, p10: 206.7, p90: 587.1 },
  },
  pageInLoopBytesPerSec: { n: 10, median: 339000000, p10: 129000000, p90: 358000000 },
  pageInMemsetBytesPerSec: { n: 10, median: 338000000, p10: 239000000, p90: 348000000 },
};
