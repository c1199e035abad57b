// A scripted monitor: a real websocket server on a loopback port of its own choosing.
import { once } from "node:events";
import http, { type IncomingMessage } from "node:http";
import https, { type ServerOptions } from "node:https";
import { type AddressInfo } from "node:net";
import { onTestFinished } from "vitest";
import { WebSocketServer, type WebSocket } from "ws";

export type TestMonitor = Readonly<{
  url: string;
  port: number;
  /** Every connection so far, oldest first. */
  connections: readonly TestConnection[];
  /** From now on, upgrades get this HTTP status instead; null: they are taken. */
  refuseWith: (status: number | null) => void;
  close: () => Promise<void>;
}>;

export type TestConnection = Readonly<{
  socket: WebSocket;
  request: IncomingMessage;
  /** Text frames received. */
  frames: readonly string[];
  /** How it ended; null while it lives. */
  ended: () => Readonly<{ code: number; reason: string }> | null;
}>;

export type MonitorScript = (connection: TestConnection, frame: string) => void;

/**
 * `onFrame` is called for each text frame; with `tls` it serves wss. It listens until the test
 * ends.
 */
export async function startMonitor(
  onFrame: MonitorScript = () => undefined,
  tls: ServerOptions | null = null,
): Promise<TestMonitor> {
  let refusal: number | null = null;
  const carrier = tls === null ? http.createServer() : https.createServer(tls);
  const server = new WebSocketServer({
    server: carrier,
    path: "/monitor",
    verifyClient: (_info, done) =>
      refusal === null ? done(true) : done(false, refusal, "not now"),
  });
  carrier.listen(0, "127.0.0.1");
  await once(carrier, "listening");
  const connections: TestConnection[] = [];
  server.on("connection", (socket, request) => {
    connections.push(watch(socket, request, onFrame));
  });
  const close = async () => {
    for (const { socket } of connections) socket.terminate();
    server.close();
    carrier.closeAllConnections();
    await new Promise((resolve) => carrier.close(resolve));
  };
  onTestFinished(close);
  const { port } = carrier.address() as AddressInfo;
  return {
    url: `${tls === null ? "ws" : "wss"}://127.0.0.1:${port}/monitor`,
    port,
    connections,
    refuseWith: (status) => (refusal = status),
    close,
  };
}

function watch(socket: WebSocket, request: IncomingMessage, onFrame: MonitorScript) {
  const frames: string[] = [];
  let ended: { code: number; reason: string } | null = null;
  const connection: TestConnection = { socket, request, frames, ended: () => ended };
  socket.on("message", (data) => {
    const text = (data as Buffer).toString();
    frames.push(text);
    onFrame(connection, text);
  });
  socket.on("close", (code, reason) => (ended = { code, reason: reason.toString() }));
  socket.on("error", () => undefined); // its close event tells
  return connection;
}
