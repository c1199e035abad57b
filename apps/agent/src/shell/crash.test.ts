// What a machine that breaks costs: its own VM a moment, the others nothing.
import { stepVm } from "@selfscale/core";
import { expect, test, vi } from "vitest";
import { startFleet, size, vmConfig } from "../testing/fleet.ts";
import { startGuest } from "../testing/guest.ts";
import { startQemu } from "../testing/qemu.ts";
import { PATIENT, until } from "../testing/wait.ts";
import { LoopDownError } from "./orders.ts";

vi.setConfig(PATIENT);

const UUIDS = ["0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0", "11111111-2222-4333-8444-555555555555"];

async function startTwo(step: typeof stepVm) {
  const vms = await Promise.all(
    UUIDS.map(async (uuid, index) => {
      const [qemu, guest] = [await startQemu({ uuid }), await startGuest({ uuid })];
      const place = { name: `vm-${index}`, socket: qemu.socket, url: guest.monitor.url };
      return { guest, config: vmConfig(place) };
    }),
  );
  const { fleet, lines } = startFleet(
    vms.map(({ config }) => config),
    { step },
  );
  const statusOf = (index: number) => {
    const found = fleet.status().vms[index];
    if (found === undefined) throw new Error(`no VM ${index}`);
    return found;
  };
  return { guests: vms.map(({ guest }) => guest), fleet, lines, statusOf };
}

test("a broken machine is reported with its last 50 events; its claim and the other VM stay", async () => {
  const broken = { is: false, deaths: 0 };
  const { guests, fleet, lines, statusOf } = await startTwo((state, event, now) => {
    if (broken.is && state.spec.name === "vm-0") {
      broken.deaths += 1;
      throw new Error("invariant broken: on purpose");
    }
    return stepVm(state, event, now);
  });
  for (const guest of guests) await guest.wish(2, 512);
  const held = () => fleet.status().node.held;
  await until("both", () => held().memBytes === size(0, 1024).memBytes);
  await until("enough events", () => statusOf(0).counters.steps > 60);
  const link = guests[1]?.monitor.connections.length;

  broken.is = true;
  await until("its death, twice", () => broken.deaths > 1);
  expect(held()).toEqual(size(4, 1024)); // nobody else gets what it may still hold
  expect(statusOf(0)).toMatchObject({ reason: "stuck", actual: null });
  broken.is = false;
  await until("its next life", () => statusOf(0).link.state === "up");

  const deaths = lines.filter(({ msg }) => msg === "this VM's loop died; it starts anew");
  expect(deaths[0]).toMatchObject({ vm: "vm-0", err: { message: "invariant broken: on purpose" } });
  expect(deaths[0]?.["lastEvents"]).toHaveLength(50);
  expect(statusOf(0).counters.restarts).toBe(broken.deaths);
  const note = statusOf(0).notes.find(({ reason }) => reason === "loop-died");
  expect(note).toMatchObject({ level: "warn" });
  expect(note?.message).toContain("invariant broken: on purpose");

  expect(statusOf(1).counters.restarts).toBe(0);
  expect(guests[1]?.monitor.connections.length).toBe(link);
});

test("the operator's orders outlive the loop; one that nobody takes is refused", async () => {
  const broken = { is: false };
  const { fleet, statusOf } = await startTwo((state, event, now) => {
    if (broken.is && state.spec.name === "vm-0") throw new Error("on purpose");
    return stepVm(state, event, now);
  });
  const runner = fleet.runner("vm-0");
  await runner?.order({ kind: "operator-paused", isPaused: true, until: null });
  broken.is = true;
  await until("its death", () => statusOf(0).counters.restarts > 0);
  const resume = { kind: "operator-paused", isPaused: false, until: null } as const;
  await expect(runner?.order(resume)).rejects.toThrow(LoopDownError);
  broken.is = false;
  await until("its next life", () => statusOf(0).reason === "paused");
  expect(statusOf(0).operator.paused).toEqual({ until: null });
});
