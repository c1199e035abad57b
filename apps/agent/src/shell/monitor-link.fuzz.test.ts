// The real fleet dials a port behind which anything may be: it resizes nothing on the word of another VM's monitor, never
// stops dialling, and serves a healthy monitor after each attack. Replay with SEED=n.
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { type WebSocket } from "ws";
import { startFleet, vmConfig } from "../testing/fleet.ts";
import { startScriptedQemu } from "../testing/scripted-qemu.ts";
import { until } from "../testing/wait.ts";
import { attack, FUZZ_SECONDS, SEED, startHostilePort } from "../testing/ws-attack.ts";

const MIN_RUNS = 20;
const UUID = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
const FOREIGN =
  '{"version":2,"vm":"99999999-4b5a-6978-8796-a5b4c3d2e1f0","features":["size-report"]}';
const OWN = `{"version":2,"vm":"${UUID}","features":["size-report"]}`;

type Frame = Readonly<{ min?: number; type?: string; id?: number }>;

/** A healthy monitor on this socket. What it hears, by type. */
function greet(socket: WebSocket, reply: string): (type: string) => readonly Frame[] {
  const frames: Frame[] = [];
  socket.on("message", (data) => {
    const frame = JSON.parse((data as Buffer).toString()) as Frame;
    frames.push(frame);
    if (frame.min !== undefined) socket.send(reply);
    if (frame.type === "HealthCheck")
      socket.send(JSON.stringify({ type: "HealthCheck", id: frame.id }));
  });
  return (type) => frames.filter((frame) => frame.type === type);
}

test(`a hostile port, SEED=${SEED}`, { timeout: FUZZ_SECONDS * 1_000 + 60_000 }, async () => {
  const qemu = await startScriptedQemu(UUID, 0);
  const port = await startHostilePort();
  const { fleet } = startFleet([vmConfig({ name: "vm", socket: qemu.socket, url: port.url })]);
  await until("QEMU", () => fleet.status().vms[0]?.actual);
  const endAt = performance.now() + FUZZ_SECONDS * 1_000;
  let runs = 0;
  for (; runs < MIN_RUNS || performance.now() < endAt; runs += 1) {
    const [one] = fc.sample(attack, { seed: SEED + runs, numRuns: 1 });
    if (one !== undefined) await port.strike(one, FOREIGN);
    const socket = await port.serve();
    const heard = greet(socket, FOREIGN);
    await until("its first report", () => heard("SizeReport").length > 0);
    socket.send('{"type":"Riddle","id":7}');
    await until("its answer", () => heard("InvalidMessage").length > 0);
    expect(heard("InvalidMessage")).toMatchObject([{ id: 7 }]);
    expect(qemu.requests).toEqual([]);
    socket.terminate();
  }

  const heard = greet(await port.serve(), OWN);
  await until("its first report", () => heard("SizeReport").length > 0);
  const status = () => fleet.status().vms[0];
  expect(status()).toMatchObject({ link: { state: "up", version: 2, identity: "proven" } });
  expect(qemu.requests).toEqual([]);
  console.info(`agent sockets: ${runs} runs, SEED=${SEED}`);
});
