// Opening the socket, and saying plainly why it did not open.
import net from "node:net";
import { formatQmpAddress, type QmpAddress } from "./address.ts";
import { type Limits, waitWithin } from "./deadline.ts";
import { QmpConnectError, type QmpConnectReason, QmpGreetingError } from "./errors.ts";

/** A peer that vanished without a word is noticed by probes from this much silence on. */
const KEEP_ALIVE_AFTER_MS = 10_000;

/** One sentence for the two ways to notice it: no room in the queue, and no greeting. */
export const HELD_MESSAGE =
  "another client holds the socket (QEMU serves one at a time), or it is no QMP socket";

/** An open socket, not read yet. Throws QmpConnectError or QmpGreetingError ("held"). */
export function dial(address: QmpAddress, limits: Limits): Promise<net.Socket> {
  const onDeadline = () => {
    const message = `${formatQmpAddress(address)}: no connection within the deadline`;
    return connectError(address, "timed-out", null, message, null);
  };
  return waitWithin(limits, onDeadline, ({ resolve, reject }) => {
    const socket = net.connect({
      ...endpoint(address),
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_AFTER_MS,
    });
    // After the first, errors say nothing new: the socket is given up or handed on.
    socket.on("error", (error) => {
      reject(explainDialFailure(address, error));
    });
    socket.once("connect", () => {
      resolve(socket);
    });
    return () => socket.destroy();
  });
}

/** What a system error while connecting means. */
export function explainDialFailure(
  address: QmpAddress,
  error: Error,
): QmpConnectError | QmpGreetingError {
  const where = formatQmpAddress(address);
  const errno = "code" in error && typeof error.code === "string" ? error.code : null;
  const isUnix = address.kind === "unix";
  const fail = (reason: QmpConnectReason, message: string) =>
    connectError(address, reason, errno, `${where}: ${message}`, error);
  switch (errno) {
    case "ENOENT":
    case "ENOTDIR":
      return fail("absent", "no such socket: is QEMU running, with a -qmp option for it?");
    case "ECONNREFUSED":
      return isUnix
        ? fail("refused", "nobody listens: the file is left over from a QEMU that was killed")
        : fail("refused", "nobody listens on that port");
    case "EACCES":
    case "EPERM":
      return fail(
        "forbidden",
        "no permission: it takes write on the socket, search on its folders",
      );
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return fail("unknown-host", "the host name is unknown");
    case "ETIMEDOUT":
      return fail("timed-out", "no connection");
    case "EAGAIN": // the queue of waiting clients is full (unix sockets)
      return new QmpGreetingError(where, "held", HELD_MESSAGE, error);
    default:
      return fail("other", error.message);
  }
}

function connectError(
  address: QmpAddress,
  reason: QmpConnectReason,
  errno: string | null,
  message: string,
  cause: unknown,
): QmpConnectError {
  return new QmpConnectError({ address: formatQmpAddress(address), reason, errno }, message, cause);
}

function endpoint(address: QmpAddress): net.NetConnectOpts {
  return address.kind === "unix"
    ? { path: address.path }
    : { host: address.host, port: address.port };
}
