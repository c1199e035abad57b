// The bench's simulated QEMU answers as a real one does: the same fields of the same types, to each command that the
// agent runs.
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { QmpClient } from "@selfscale/qmp";
import { expect, test } from "vitest";
import { BARE_UUID, startBareQemu } from "../bench/bare-qemu.ts";
import { SimulatedQemu } from "../bench/fleet-qemu.ts";
import { makeRunDir } from "../harness/cleanup.ts";
import { MIB } from "../harness/truth.ts";

const CPU = { driver: "qemu64-x86_64-cpu", id: "selfscale-cpu-1" };
const PLACE = { "core-id": 0, "thread-id": 0, "node-id": 0, "socket-id": 1 };
const PROPERTY = { path: "/machine/peripheral/vm0", property: "requested-size" };

const COMMANDS: readonly (readonly [string, Record<string, unknown>])[] = [
  ["query-uuid", {}],
  ["query-status", {}],
  ["query-memory-size-summary", {}],
  ["query-memory-devices", {}],
  ["query-cpus-fast", {}],
  ["query-hotpluggable-cpus", {}],
  ["qom-set", { ...PROPERTY, value: 128 * MIB }],
  ["query-memory-devices", {}],
  ["device_add", { ...CPU, ...PLACE }],
  ["query-cpus-fast", {}],
  ["query-hotpluggable-cpus", {}],
];

test("the simulated QEMU's answers have a real one's shape", async () => {
  const real = await startBareQemu("real");
  const folder = await makeRunDir();
  const socketPath = join(folder, "simulated.qmp");
  const ignore = () => undefined;
  try {
    const options = { socketPath, uuid: BARE_UUID, onRequested: ignore, onCommand: ignore };
    await SimulatedQemu.start(options);
    const address = String(real.entry["qmp"]).slice("unix:".length);
    const theirs = await QmpClient.connect({ kind: "unix", path: address });
    const ours = await QmpClient.connect({ kind: "unix", path: socketPath });
    for (const [command, args] of COMMANDS) {
      const expected = shapeOf(await theirs.executeUntyped(command, args));
      expect(shapeOf(await ours.executeUntyped(command, args)), command).toEqual(expected);
    }
    theirs.close();
    ours.close();
  } finally {
    await real.end();
    await rm(folder, { recursive: true, force: true });
  }
});

/** Types in place of values. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shapeOf);
  if (typeof value !== "object" || value === null) return typeof value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, shapeOf(one)]));
}
