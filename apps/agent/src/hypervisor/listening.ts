import fs from "node:fs/promises";
import { type QmpAddress } from "@selfscale/qmp";

/** Flags of a socket that accepts connections, as /proc/net/unix prints them (SO_ACCEPTCON). */
const ACCEPTS = 0x10000;
const SOCKETS = "/proc/net/unix";

/**
 * Whether a process may still listen on a unix socket whose file is gone: the kernel keeps the name that it was bound to. A
 * QEMU whose socket somebody removed runs on, and holds what it holds. Only sockets of our own network namespace are seen.
 */
export async function mayStillListen(address: QmpAddress, table = SOCKETS): Promise<boolean> {
  if (address.kind !== "unix") return false;
  let text: string;
  try {
    text = await fs.readFile(table, "utf8");
  } catch {
    return false; // no such table: then the missing file is all that is known
  }
  const file = address.path.slice(address.path.lastIndexOf("/") + 1);
  return text.split("\n").some((line) => {
    // Num RefCount Protocol Flags Type St Inode Path
    const [, , , flags, , , , path] = line.trim().split(/\s+/);
    if (path === undefined || (Number.parseInt(flags ?? "", 16) & ACCEPTS) === 0) return false;
    // Bound by a relative name, in a folder that nobody can tell.
    const isRelative = !path.startsWith("/") && !path.startsWith("@");
    return path === address.path || (isRelative && path.slice(path.lastIndexOf("/") + 1) === file);
  });
}
