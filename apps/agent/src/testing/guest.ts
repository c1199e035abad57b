// A version-2 monitor that answers what it must and asks for what the test says.
import { startMonitor, type TestConnection, type TestMonitor } from "./monitor.ts";
import { MIB } from "./qemu.ts";
import { until } from "./wait.ts";

export type Frame = Readonly<{ type: string; content: Record<string, unknown>; id: number }>;

export type TestGuest = Readonly<{
  monitor: TestMonitor;
  /** The agent's frames of one type on all connections, oldest first. */
  framesOf: (type: string) => readonly Frame[];
  /** Asks for a size, once the agent has introduced itself on the newest connection. */
  wish: (cpu: number, mib: number) => Promise<void>;
}>;

export type GuestSetup = Readonly<{ uuid: string; version?: number }>;

export async function startGuest({ uuid, version = 2 }: GuestSetup): Promise<TestGuest> {
  const ready = new Set<TestConnection>();
  let nextId = 3;
  const monitor = await startMonitor((connection, text) => {
    const frame = JSON.parse(text) as Partial<Frame> & { min?: number };
    const say = (message: object) => connection.socket.send(JSON.stringify(message));
    if (frame.min !== undefined) say({ version, vm: uuid, features: ["size-report"] });
    else ready.add(connection);
    if (frame.type === "HealthCheck") say({ type: "HealthCheck", id: frame.id });
    if (frame.type === "UpscaleNotification") say({ type: "UpscaleConfirmation", id: frame.id });
    if (frame.type === "DownscaleRequest") {
      say({ type: "DownscaleResult", Ok: true, Status: "ok", id: frame.id });
    }
  });
  const framesOf = (type: string) =>
    monitor.connections
      .flatMap(({ frames }) => frames.map((text) => JSON.parse(text) as Frame))
      .filter((frame) => frame.type === type);
  const wish = async (cpu: number, mib: number) => {
    const connection = await until("the agent's first frame", () => {
      const newest = monitor.connections.at(-1);
      return newest !== undefined && ready.has(newest) ? newest : null;
    });
    const id = (nextId += 2);
    const target = { cpu, mem: mib * MIB };
    connection.socket.send(JSON.stringify({ type: "ScaleRequest", target, id }));
  };
  return { monitor, framesOf, wish };
}
