import { type Duplex } from "node:stream";

/**
 * Calls `cut` once the other side has sent more than this from now on; what is returned lifts the
 * limit. Parsing frames is what a flood costs, and no event of a websocket tells of all of them.
 */
export function limitBytes(socket: Duplex, maxBytes: number, cut: () => void): () => void {
  let bytes = 0;
  const onData = (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > maxBytes) cut();
  };
  socket.on("data", onData);
  return () => void socket.off("data", onData);
}
