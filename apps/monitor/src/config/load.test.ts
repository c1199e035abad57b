import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  ANTICIPATION_DEFAULTS,
  FILE_CACHE_DEFAULTS,
  MONITOR_DEFAULTS,
  PRESETS,
  withCalm,
} from "@selfscale/core";
import { loadConfig } from "./load.ts";

let dir = "";
const write = (text: string, name = "monitor.yaml") => {
  fs.writeFileSync(path.join(dir, name), text);
  return path.join(dir, name);
};

beforeAll(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), "selfscale-config-"));
});
afterAll(() => fs.rmSync(dir, { recursive: true }));

/** The message of the error, with the temporary folder taken out. */
async function problemWith(action: () => Promise<unknown>): Promise<string> {
  try {
    await action();
  } catch (error) {
    expect(error).toMatchObject({ code: "CONFIG_INVALID" });
    return (error as Error).message.replaceAll(`${dir}/`, "");
  }
  throw new Error("expected a problem");
}

const CALM = "a number from 0 (follows the need) to 1 (resizes least)";
const DURATION = "a whole number of milliseconds from 0 to 86400000";
const SIZE = "an integer of bytes, or a number with Ki, Mi, Gi or Ti (512Mi, 1.5Gi)";

describe("one message with file, line, path, value and what was expected", () => {
  test.for([
    { yaml: "lisen: 0.0.0.0:1\n", problem: "monitor.yaml:1: lisen: unknown key" },
    {
      yaml: "listen: 0.0.0.0:1\ncpu:\n  holdMs: 1\n  hold: 2\n",
      problem: "monitor.yaml:4: cpu.hold: unknown key",
    },
    {
      yaml: "\nlisten: 10301\n",
      problem:
        "monitor.yaml:2: listen: 10301 is not accepted: expected ADDRESS:PORT, such as 0.0.0.0:10301 or [::1]:10301",
    },
    {
      yaml: "listen: localhost\n",
      problem:
        'monitor.yaml:1: listen: "localhost" is not accepted: expected ADDRESS:PORT, such as 0.0.0.0:10301 or [::1]:10301',
    },
    {
      yaml: "listen: 0.0.0.0:70000\n",
      problem:
        'monitor.yaml:1: listen: "0.0.0.0:70000" is not accepted: expected ADDRESS:PORT, such as 0.0.0.0:10301 or [::1]:10301',
    },
    {
      yaml: "preset: fast\n",
      problem:
        'monitor.yaml:1: preset: "fast" is not accepted: expected one of default, frugal, calm, demo',
    },
    {
      yaml: "calm: 2\n",
      problem: `monitor.yaml:1: calm: 2 is not accepted: expected ${CALM}`,
    },
    {
      yaml: "calm: x\n",
      problem: `monitor.yaml:1: calm: "x" is not accepted: expected ${CALM}`,
    },
    {
      yaml: "shadow:\n  calm: -0.1\n",
      problem: `monitor.yaml:2: shadow.calm: -0.1 is not accepted: expected ${CALM}`,
    },
    {
      yaml: "preset: frugal\ncalm: 0.8\n",
      problem:
        "monitor.yaml: calm: 0.8 is not accepted beside preset frugal, which is calm 0: expected one of both",
    },
    {
      yaml: "shadow: { preset: demo, calm: 1 }\n",
      problem:
        "monitor.yaml: shadow.calm: 1 is not accepted beside preset demo, which has a patience of its own: expected one of both",
    },
    {
      yaml: "cpu: { useWindowMs: 10 }\n",
      problem:
        "monitor.yaml:1: cpu.useWindowMs: 10 is not accepted: expected a whole number of milliseconds from 200 to 60000",
    },
    {
      yaml: "cpu: { busyTargetShare: 0.99 }\n",
      problem:
        "monitor.yaml: cpu.busyTargetShare: 0.99 is not accepted: expected at most cpu.busyLimitShare (0.95)",
    },
    {
      yaml: "shadow: { memory: { oomKeepMaxMs: 1000 } }\n",
      problem:
        "monitor.yaml: shadow.memory.oomKeepMs: 600000 is not accepted: expected at most shadow.memory.oomKeepMaxMs (1000)",
    },
    {
      yaml: "protocolMax: 3\n",
      problem: "monitor.yaml:1: protocolMax: 3 is not accepted: expected 1 or 2",
    },
    {
      yaml: "requireAuth: yes please\n",
      problem: 'monitor.yaml:1: requireAuth: "yes please" is not accepted: expected true or false',
    },
    {
      yaml: "statusGroup: 7\n",
      problem: "monitor.yaml:1: statusGroup: 7 is not accepted: expected the name of a group",
    },
    {
      yaml: "cpu:\n  holdMs: 13s\n",
      problem: `monitor.yaml:2: cpu.holdMs: "13s" is not accepted: expected ${DURATION}`,
    },
    {
      yaml: "cpu: { holdMs: -1 }\n",
      problem: `monitor.yaml:1: cpu.holdMs: -1 is not accepted: expected ${DURATION}`,
    },
    {
      yaml: "staleMs: 1.5\n",
      problem: `monitor.yaml:1: staleMs: 1.5 is not accepted: expected ${DURATION}`,
    },
    {
      yaml: "cpu: { busyKeepShare: 25 }\n",
      problem:
        "monitor.yaml:1: cpu.busyKeepShare: 25 is not accepted: expected a share, above 0 and at most 1",
    },
    {
      yaml: "cgroup: postgresql\n",
      problem:
        'monitor.yaml:1: cgroup: "postgresql" is not accepted: expected the path of a cgroup\'s folder, from the root',
    },
    {
      yaml: "cpu: { jumpMax: 0.5 }\n",
      problem: "monitor.yaml:1: cpu.jumpMax: 0.5 is not accepted: expected a number of at least 1",
    },
    {
      yaml: "cpu: 4\n",
      problem: "monitor.yaml:1: cpu: 4 is not accepted: expected keys and values",
    },
    {
      yaml: "memory:\n  reserveMinBytes: 64MB\n",
      problem: `monitor.yaml:2: memory.reserveMinBytes: "64MB" is not accepted: expected ${SIZE}`,
    },
    {
      yaml: "memory:\n  pageInMaxBytesPerSec: fast\n",
      problem: `monitor.yaml:2: memory.pageInMaxBytesPerSec: "fast" is not accepted: expected auto, or more than 0: ${SIZE}`,
    },
    {
      yaml: "memory: { sampleEveryMs: 1 }\n",
      problem:
        "monitor.yaml:1: memory.sampleEveryMs: 1 is not accepted: expected a whole number of milliseconds from 20 to 86400000",
    },
    {
      yaml: "memory: { reserveMinBytes: 2Gi }\n",
      problem:
        "monitor.yaml: memory.reserveMinBytes: 2147483648 is not accepted: expected at most memory.reserveMaxBytes (1073741824)",
    },
    {
      yaml: "requireAuth: true\n",
      problem:
        "monitor.yaml: token: nothing is given, but requireAuth expects a token file or tls.clientCa",
    },
    {
      yaml: "postgres: { pasword: x }\n",
      problem: "monitor.yaml:1: postgres.pasword: unknown key",
    },
    {
      yaml: "postgres: yes\n",
      problem: 'monitor.yaml:1: postgres: "yes" is not accepted: expected keys and values',
    },
    {
      yaml: "postgres: { port: 0 }\n",
      problem:
        "monitor.yaml:1: postgres.port: 0 is not accepted: expected a port, a whole number from 1 to 65535",
    },
    {
      yaml: "postgres: { queryTimeoutMs: 5 }\n",
      problem:
        "monitor.yaml:1: postgres.queryTimeoutMs: 5 is not accepted: expected a whole number of milliseconds from 100 to 60000",
    },
    {
      yaml: "postgres: { folder: run }\n",
      problem:
        'monitor.yaml:1: postgres.folder: "run" is not accepted: expected the absolute path of a folder',
    },
    {
      yaml: "anticipation: { sessions: maybe }\n",
      problem:
        'monitor.yaml:1: anticipation.sessions: "maybe" is not accepted: expected true or false',
    },
    {
      yaml: "anticipation: { maxShare: 1.5 }\n",
      problem:
        "monitor.yaml:1: anticipation.maxShare: 1.5 is not accepted: expected a share, above 0 and at most 1",
    },
    {
      yaml: "anticipation: { maxCount: 0 }\n",
      problem:
        "monitor.yaml:1: anticipation.maxCount: 0 is not accepted: expected a whole number from 1 to 48",
    },
    {
      yaml: "anticipation: { vacuum: false }\n",
      problem: "monitor.yaml:1: anticipation.vacuum: unknown key",
    },
    {
      yaml: "fileCache: { deadlineMs: 5000 }\n",
      problem:
        "monitor.yaml:1: fileCache.deadlineMs: 5000 is not accepted: expected a whole number of milliseconds from 100 to 4000",
    },
    {
      yaml: "- a\n- b\n",
      problem: 'monitor.yaml:1: ["a","b"] is not accepted: expected keys and values',
    },
    {
      yaml: "cpu: {\n",
      problem: expect.stringMatching(/^monitor.yaml:[12]: not YAML: /) as unknown,
    },
    {
      yaml: "listen: 0.0.0.0:1\nlisten: 0.0.0.0:2\n",
      problem: "monitor.yaml:2: not YAML: Map keys must be unique",
    },
    {
      yaml: "cpu: { holdMs: x }\nfoo: 1\n",
      problem: `monitor.yaml:1: cpu.holdMs: "x" is not accepted: expected ${DURATION} (and 1 more)`,
    },
  ])("$yaml", async ({ yaml, problem }) => {
    expect(await problemWith(() => loadConfig(write(yaml), {}))).toEqual(problem);
  });

  test("a missing file", async () => {
    expect(await problemWith(() => loadConfig(path.join(dir, "absent.yaml"), {}))).toMatch(
      /^absent.yaml: can't be read: ENOENT/,
    );
  });

  test("a token file that is not there", async () => {
    const file = write(`token: ${path.join(dir, "no.token")}\n`);
    expect(await problemWith(() => loadConfig(file, {}))).toMatch(
      /^monitor.yaml: token: "no.token" is not accepted: expected a readable file with a token \(ENOENT/,
    );
  });

  test.for([
    {
      settings: { listen: "here" },
      problem:
        '--listen: "here" is not accepted: expected ADDRESS:PORT, such as 0.0.0.0:10301 or [::1]:10301',
    },
    {
      settings: { protocolMax: "two" },
      problem: '--protocol-max: "two" is not accepted: expected 1 or 2',
    },
    {
      settings: { logLevel: "loud" },
      problem: '--log-level: "loud" is not accepted: expected one of debug, info, warn, error',
    },
    {
      settings: { metricsListen: ":9100" },
      problem:
        '--metrics-listen: ":9100" is not accepted: expected ADDRESS:PORT, such as 0.0.0.0:10301 or [::1]:10301',
    },
    {
      settings: { shadow: "fast" },
      problem: expect.stringMatching(
        /^--shadow: "fast" is not accepted: expected one of default, frugal, calm, demo/,
      ) as unknown,
    },
    {
      settings: { calm: "2" },
      problem: `--calm: "2" is not accepted: expected ${CALM}`,
    },
    {
      settings: { calm: "" },
      problem: `--calm: "" is not accepted: expected ${CALM}`,
    },
    {
      settings: { preset: "frugal", calm: "1" },
      problem:
        "command line: calm: 1 is not accepted beside preset frugal, which is calm 0: expected one of both",
    },
    {
      settings: { recordSamplesEveryMs: "100" },
      problem:
        '--record-samples-every-ms: "100" is not accepted: expected a whole number of milliseconds from 250 to 86400000',
    },
    {
      settings: { requireAuth: true as const },
      problem:
        "command line: token: nothing is given, but requireAuth expects a token file or tls.clientCa",
    },
  ])("$problem", async ({ settings, problem }) => {
    expect(await problemWith(() => loadConfig(null, settings))).toEqual(problem);
  });
});

describe("what is accepted", () => {
  test.for([
    { name: "no file", file: null },
    { name: "an empty file", file: "" },
    { name: "comments only", file: "# nothing\n" },
  ])("$name is defaults", async ({ file }) => {
    expect(await loadConfig(file === null ? null : write(file), {})).toEqual({
      listen: { address: "0.0.0.0", port: 10_301 },
      metricsListen: { address: "0.0.0.0", port: 9_100 },
      status: "/run/selfscale/monitor.sock",
      statusGroup: null,
      preset: "default",
      calm: null,
      protocolMax: 2,
      probeScaleRequest: false,
      token: null,
      tls: null,
      requireAuth: false,
      shadow: null,
      record: null,
      recordSamplesEveryMs: null,
      postgres: null,
      anticipation: ANTICIPATION_DEFAULTS,
      fileCache: FILE_CACHE_DEFAULTS,
      cgroup: null,
      logLevel: "info",
      policy: PRESETS.default,
      cpuEveryMs: 200,
      memoryEveryMs: 100,
      pageInMaxBytesPerSec: "auto",
      reactStartMs: MONITOR_DEFAULTS.tReactStartMs,
    });
  });

  test("PostgreSQL, where the group is there at all", async () => {
    const { postgres } = await loadConfig(write("postgres: { database: app }\n"), {});
    expect(postgres).toEqual({
      host: "/var/run/postgresql",
      port: 5_432,
      user: "selfscale_monitor",
      passwordFile: null,
      database: "app",
      queryTimeoutMs: 2_000,
      folder: "/run/selfscale-postgres",
    });
  });

  test("what is expected of PostgreSQL, part by part", async () => {
    const file = write(
      "anticipation: { sessions: false, leastBytes: 128Mi }\nfileCache: { isManaged: false }\n",
    );
    const { anticipation, fileCache } = await loadConfig(file, {});
    const changed = { sessions: false, leastBytes: 128 * 1024 ** 2 };
    expect(anticipation).toEqual({ ...ANTICIPATION_DEFAULTS, ...changed });
    expect(fileCache).toEqual({ ...FILE_CACHE_DEFAULTS, isManaged: false });
  });

  test("single numbers over a preset, sizes with units", async () => {
    const file = write(
      "preset: demo\nstartHoldMs: 1\ncpu: { holdMs: 7000 }\n" +
        "memory: { reserveMinBytes: 96Mi, reserveMaxBytes: 1.5Gi, pageInMaxBytesPerSec: 2.5Gi }\n",
    );
    const { policy, pageInMaxBytesPerSec } = await loadConfig(file, {});
    expect(policy).toEqual({
      ...PRESETS.demo,
      startHoldMs: 1,
      cpu: { ...PRESETS.demo.cpu, holdMs: 7000 },
      memory: {
        ...PRESETS.demo.memory,
        reserveMinBytes: 96 * 2 ** 20,
        reserveMaxBytes: 1.5 * 2 ** 30,
      },
    });
    expect(pageInMaxBytesPerSec).toBe(2.5 * 2 ** 30);
  });

  test("calm, in the file and on the command line, and single numbers on top of it", async () => {
    const file = write("calm: 0.8\ncpu: { worthUnitSec: 3 }\nshadow: { calm: 0 }\n");
    const calm = withCalm(PRESETS.default, 0.8);
    const { policy, shadow } = await loadConfig(file, {});
    expect(policy).toEqual({ ...calm, cpu: { ...calm.cpu, worthUnitSec: 3 } });
    expect(shadow).toEqual({ preset: "calm 0", policy: PRESETS.frugal });
    const said = await loadConfig(file, { calm: "1" });
    expect(said.policy.memory).toEqual(PRESETS.calm.memory);
    expect(said.calm).toBe(1);
  });

  test.for(["default", "demo"] as const)(
    "every number of preset %s, written out",
    async (preset) => {
      const { cpu, memory, startHoldMs, shortGrantHoldMs, staleMs } = PRESETS[preset];
      const written = JSON.stringify({ cpu, memory, startHoldMs, shortGrantHoldMs, staleMs });
      expect((await loadConfig(write(written), {})).policy).toEqual(PRESETS[preset]);
    },
  );

  test("a shadow: a preset, numbers on top of it, and the command line's preset below them", async () => {
    const file = write("shadow: { preset: demo, cpu: { holdMs: 7000 }, staleMs: 3000 }\n");
    const numbers = (preset: "default" | "demo") => ({
      preset,
      policy: {
        ...PRESETS[preset],
        staleMs: 3_000,
        cpu: { ...PRESETS[preset].cpu, holdMs: 7_000 },
      },
    });
    const { shadow, policy } = await loadConfig(file, {});
    expect(shadow).toEqual(numbers("demo"));
    expect(policy).toEqual(PRESETS.default);
    expect((await loadConfig(file, { shadow: "default" })).shadow).toEqual(numbers("default"));
    const alone = await loadConfig(null, { shadow: "demo" });
    expect(alone.shadow).toEqual({ preset: "demo", policy: PRESETS.demo });
  });

  test("the command line wins over the file", async () => {
    const token = write("s3cret\n", "token");
    const file = write("listen: 0.0.0.0:1\nprotocolMax: 2\npreset: demo\nstatus: /a\n");
    const settings = {
      listen: "[::1]:0",
      protocolMax: "1",
      preset: "default",
      token,
      requireAuth: true,
    } as const;
    expect(await loadConfig(file, settings)).toMatchObject({
      listen: { address: "::1", port: 0 },
      protocolMax: 1,
      status: "/a",
      policy: PRESETS.default,
      token,
      requireAuth: true,
    });
  });
});
