import { expect, test } from "vitest";
import { startFleet, vmConfig } from "./testing/fleet.ts";
import { statusTable } from "./status-table.ts";
import { size } from "./testing/fleet.ts";

test("shows what is known, aligned, and the problems below", () => {
  const { fleet } = startFleet([
    vmConfig({ name: "pg-with-a-long-name", socket: "/nowhere", url: "ws://127.0.0.1:9/" }),
    vmConfig({ name: "pg-2", socket: "/nowhere/2", url: "ws://127.0.0.1:9/2" }),
  ]);
  const status = fleet.status();
  const [first, second] = status.vms;
  if (first === undefined || second === undefined) throw new Error("two VMs were configured");
  const known = {
    ...first,
    mode: "compute-controlled" as const,
    desired: size(2, 1536),
    permit: size(1.5, 1280),
    requested: size(1.5, 1280),
    actual: size(0.25, 512),
    reason: "node-full",
    problems: [],
    link: { state: "up", version: 2, identity: "proven" },
  };
  const unknown = { ...second, problems: ["QEMU is not there"] };
  const node = { ...status.node, held: size(2, 1792), isOvercommitted: true };
  expect(statusTable({ node, vms: [known, unknown] })).toBe(
    [
      "VM                   DESIRED    PERMIT        REQUESTED     ACTUAL        WHY        MODE                LINK",
      "pg-with-a-long-name  2 / 1.5Gi  1.5 / 1280Mi  1.5 / 1280Mi  0.25 / 512Mi  node-full  compute-controlled  up v2",
      "pg-2                 -          -             -             -             stuck      held                down",
      "node: 2 / 1792Mi held of 16 / 16Gi, 0 overhead per VM, overcommitted",
      "pg-2: QEMU is not there",
      "",
    ].join("\n"),
  );
});
