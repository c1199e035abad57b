// Where a QMP socket is, as people write it.
import net from "node:net";
import { QmpAddressError } from "./errors.ts";

export type QmpAddress =
  Readonly<{ kind: "unix"; path: string }> | Readonly<{ kind: "tcp"; host: string; port: number }>;

/** sun_path holds 108 bytes with its final zero (Linux); longer ones would be cut, not refused. */
const MAX_SOCKET_PATH_BYTES = 107;
const EXPECTED = "unix:/path/to/socket, tcp:host:port or tcp:[ipv6]:port";

/** Reads `unix:/path`, `tcp:host:port` or `tcp:[::1]:port`. Throws QmpAddressError. */
export function parseQmpAddress(text: string): QmpAddress {
  if (text.startsWith("unix:")) return parseUnix(text, text.slice("unix:".length));
  if (text.startsWith("tcp:")) return parseTcp(text, text.slice("tcp:".length));
  throw new QmpAddressError(text, EXPECTED);
}

/** Whether `parseQmpAddress` takes it. */
export function isQmpAddress(text: string): boolean {
  try {
    parseQmpAddress(text);
    return true;
  } catch (error) {
    if (error instanceof QmpAddressError) return false;
    throw error;
  }
}

/** The inverse of `parseQmpAddress`, for messages. */
export function formatQmpAddress(address: QmpAddress): string {
  if (address.kind === "unix") return `unix:${address.path}`;
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  return `tcp:${host}:${address.port}`;
}

function parseUnix(text: string, path: string): QmpAddress {
  if (path === "" || path.includes("\0")) throw new QmpAddressError(text, "a path after unix:");
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES) {
    throw new QmpAddressError(text, `a path of at most ${MAX_SOCKET_PATH_BYTES} bytes`);
  }
  return { kind: "unix", path };
}

function parseTcp(text: string, rest: string): QmpAddress {
  const colon = rest.lastIndexOf(":");
  if (colon < 0) throw new QmpAddressError(text, "tcp:host:port");
  const host = parseHost(rest.slice(0, colon));
  if (host === null) {
    throw new QmpAddressError(text, "a host name, an IPv4 address, or an IPv6 address in brackets");
  }
  const digits = rest.slice(colon + 1);
  const port = /^[0-9]{1,5}$/.test(digits) ? Number(digits) : 0;
  if (port < 1 || port > 65535) throw new QmpAddressError(text, "a port from 1 to 65535");
  return { kind: "tcp", host, port };
}

function parseHost(host: string): string | null {
  if (host.startsWith("[") && host.endsWith("]")) {
    const inner = host.slice(1, -1);
    return net.isIPv6(inner) ? inner : null;
  }
  return /^[A-Za-z0-9._-]+$/.test(host) ? host : null;
}
