// Every factor of the deployed algorithm: the deployed value, the file's for all VMs, a VM's own, and what is refused.
import { DEPLOYED_LEGACY_CONFIG, type LegacyConfig } from "@selfscale/core";
import { describe, expect, test } from "vitest";
import { edit, GOOD, writeConfig } from "../testing/config-file.ts";
import { ConfigError } from "./problem.ts";
import { loadConfig } from "./load.ts";

const GIB = 1024 ** 3;

type Row = Readonly<{
  key: keyof LegacyConfig;
  /** As YAML, and as it is read. */
  shared: readonly [string, unknown];
  own: readonly [string, unknown];
  refused: readonly string[];
}>;
const number = (a: number, b: number) => ({
  shared: [String(a), a] as const,
  own: [String(b), b] as const,
});
const SHARE = ["0", "-1", "10.1", ".nan", ".inf", "much", "null"];
const RATIO = ["-0.1", "10.1", ".nan", "much"];
const MINUTES = ["0", "1", "2.5", "61", "few"];
const SECONDS = ["0", "-1", "3601", ".nan", "soon"];

const ROWS: readonly Row[] = [
  {
    key: "computeUnit",
    shared: ["{ cpu: 0.5, mem: 2Gi }", { milliCpu: 500, memBytes: 2 * GIB }],
    own: ["{ cpu: 1, mem: 4Gi }", { milliCpu: 1000, memBytes: 4 * GIB }],
    refused: ["{ cpu: 0, mem: 1Gi }", "{ cpu: 1, mem: 0 }", "{ cpu: 1 }", "1"],
  },
  { key: "loadAverageFractionTarget", ...number(0.8, 0.7), refused: SHARE },
  { key: "memoryUsageFractionTarget", ...number(0.8, 0.7), refused: SHARE },
  { key: "memoryTotalFractionTarget", ...number(0.8, 0.7), refused: SHARE },
  { key: "lfcToMemoryRatio", ...number(0.8, 0.7), refused: SHARE },
  {
    key: "enableLFCMetrics",
    shared: ["true", true],
    own: ["false", false],
    refused: ["1", "maybe"],
  },
  {
    key: "lfcUseLargestWindow",
    shared: ["true", true],
    own: ["false", false],
    refused: ["1", "maybe"],
  },
  { key: "lfcWindowSizeMinutes", ...number(4, 3), refused: [...MINUTES, "6"] },
  { key: "lfcMinWaitBeforeDownscaleMinutes", ...number(6, 7), refused: [...MINUTES, "4"] },
  { key: "cpuStableZoneRatio", ...number(0.25, 0.5), refused: RATIO },
  { key: "cpuMixedZoneRatio", ...number(0.25, 0.5), refused: RATIO },
  { key: "requestedUpscaleValidSeconds", ...number(6, 2.5), refused: SECONDS },
  { key: "retryDeniedDownscaleSeconds", ...number(4, 2.5), refused: SECONDS },
];

/** A file with `legacy:` for all VMs, and one for the only one there is. */
function legacyOf(shared: string | null, own: string | null): LegacyConfig {
  const text = edit(
    ["vms:", shared === null ? "vms:" : `legacy: ${shared}\nvms:`],
    ["name: pg-1", own === null ? "name: pg-1" : `name: pg-1\n    legacy: ${own}`],
  );
  const [vm] = loadConfig(writeConfig(text).file).vms;
  if (vm === undefined) throw new Error("the file has a VM");
  return vm.spec.legacy;
}

test("every factor has a row", () => {
  expect(ROWS.map(({ key }) => key).sort()).toEqual(Object.keys(DEPLOYED_LEGACY_CONFIG).sort());
});

test("with none given, they are the deployed ones", () => {
  const [vm] = loadConfig(writeConfig(GOOD).file).vms;
  expect(vm?.spec.legacy).toEqual(DEPLOYED_LEGACY_CONFIG);
});

describe.for(ROWS)("$key", ({ key, shared, own, refused }) => {
  test("for all VMs, for one alone, and the one's own before all's", () => {
    const given = (value: unknown) => ({ ...DEPLOYED_LEGACY_CONFIG, [key]: value });
    expect(legacyOf(`{ ${key}: ${shared[0]} }`, null)).toEqual(given(shared[1]));
    expect(legacyOf(null, `{ ${key}: ${own[0]} }`)).toEqual(given(own[1]));
    expect(legacyOf(`{ ${key}: ${shared[0]} }`, `{ ${key}: ${own[0]} }`)).toEqual(given(own[1]));
  });

  test.for(refused)("%s is refused, wherever it stands", (value) => {
    for (const [all, one] of [
      [`{ ${key}: ${value} }`, null],
      [null, `{ ${key}: ${value} }`],
    ] as const) {
      expect(() => legacyOf(all, one)).toThrow(ConfigError);
    }
  });
});

describe("windows that crash the deployed agent on its first scrape", () => {
  const both = (window: number, wait: number) =>
    `{ lfcWindowSizeMinutes: ${window}, lfcMinWaitBeforeDownscaleMinutes: ${wait} }`;

  test.for([
    { window: 1, wait: 5, isSound: false }, // a slope of one point
    { window: 2, wait: 1, isSound: false }, // the first slope begins before the first point
    { window: 2, wait: 2, isSound: true },
    { window: 5, wait: 4, isSound: false },
    { window: 5, wait: 5, isSound: true },
    { window: 60, wait: 60, isSound: true },
  ])("window $window, wait $wait: sound: $isSound", ({ window, wait, isSound }) => {
    const load = () => legacyOf(null, both(window, wait));
    if (isSound) expect(load().lfcWindowSizeMinutes).toBe(window);
    else expect(load).toThrow(ConfigError);
  });

  test("are found where one half is all VMs' and the other the one's own", () => {
    const wait = "{ lfcMinWaitBeforeDownscaleMinutes: 6 }";
    expect(legacyOf("{ lfcWindowSizeMinutes: 3 }", wait)).toMatchObject({
      lfcWindowSizeMinutes: 3,
      lfcMinWaitBeforeDownscaleMinutes: 6,
    });
    expect(() => legacyOf(wait, "{ lfcWindowSizeMinutes: 7 }")).toThrow(
      "vms[0].legacy.lfcMinWaitBeforeDownscaleMinutes",
    );
  });
});
