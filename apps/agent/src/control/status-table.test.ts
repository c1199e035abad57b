import { type Verdict } from "@selfscale/core";
import { expect, test } from "vitest";
import { startFleet, vmConfig } from "../testing/fleet.ts";
import { statusTable } from "./status-table.ts";
import { size } from "../testing/fleet.ts";

const WAITS: Verdict = {
  rule: "fair-share",
  resource: "memory",
  holders: [],
  text: "Others hold it.",
};

test("shows what is known, aligned, and the problems below", () => {
  const { fleet } = startFleet([
    vmConfig({ name: "pg-with-a-long-name", socket: "/nowhere", url: "ws://127.0.0.1:9/" }),
    vmConfig({ name: "pg-2", socket: "/nowhere/2", url: "ws://127.0.0.1:9/2" }),
  ]);
  const status = fleet.status();
  const [first, second] = status.vms;
  if (first === undefined || second === undefined) throw new Error("two VMs were configured");
  const now = Date.parse("2026-01-02T03:04:05.000Z");
  const known = {
    ...first,
    mode: "compute-controlled" as const,
    desired: size(2, 1536),
    permit: size(1.5, 1280),
    requested: size(1.5, 1280),
    actual: size(0.25, 512),
    reason: "node-full",
    reasonSince: "2026-01-02T03:03:53.000Z",
    problems: [],
    sharing: { ...first.sharing, position: 1, waitingForMs: 12_000, verdict: WAITS },
    link: { state: "up", version: 2, identity: "proven" },
    operator: {
      paused: { until: null },
      floor: { size: size(2, 1024), until: "2026-01-02T03:34:05.000Z" },
    },
  };
  const unknown = {
    ...second,
    reasonSince: "2026-01-02T01:04:05.000Z",
    problems: ["QEMU is not there"],
    sharing: { ...second.sharing, recall: size(1, 512) },
  };
  const node = { ...status.node, held: size(2, 1792), isOvercommitted: true, brake: "swapping" };
  const shown = { node, vms: [known, unknown] };
  const config = {
    file: "agent.yaml",
    loadedAt: "2026-01-02T00:00:00.000Z",
    problem: "agent.yaml:1: bad",
    needRestart: ["socket"],
    ...{ reloads: 1, reloadsFailed: 1 },
  };
  expect(statusTable({ ...shown, config }, now)).toBe(
    [
      "VM                   DESIRED    PERMIT        REQUESTED     ACTUAL        WHY        FOR   MODE                LINK   OPERATOR",
      "pg-with-a-long-name  2 / 1.5Gi  1.5 / 1280Mi  1.5 / 1280Mi  0.25 / 512Mi  node-full  12 s  compute-controlled  up v2  paused; at least 2 / 1Gi for 30 min",
      "pg-2                 -          -             -             -             stuck      2 h   held                down   -",
      "node: 2 / 1792Mi held of 16 / 16Gi, 8 / 14080Mi free (16 / 16Gi less reserve and 0 overhead per VM), overcommitted",
      "node: nothing grows for comfort: swapping",
      "pg-with-a-long-name: waits, number 1, for 12 s: Others hold it.",
      "pg-2: asked to come down to 1 / 512Mi, for others that wait",
      "config: what was read at 2026-01-02T00:00:00.000Z stays: agent.yaml:1: bad",
      "config: a restart of the agent is needed for socket",
      "pg-2: QEMU is not there",
      "",
    ].join("\n"),
  );
  // Without a clock only what happened shows: two looks at the same are the same.
  const later = { ...known, reasonSince: "2026-01-02T03:03:59.000Z" };
  expect(statusTable({ node, vms: [later, unknown] }, null)).toBe(statusTable(shown, null));
});
