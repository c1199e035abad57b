import fs from "node:fs";
import { type Server } from "node:http";
import net from "node:net";
import path from "node:path";

/** Who may connect may reserve, and see what the VM does: its owner, and one group if it was named. */
const FOLDER_OF_OWNER = 0o700;
const FOLDER_OF_GROUP = 0o750;
const SOCKET_OF_GROUP = 0o660;
const NOBODY_ELSE = 0o077;
const PROBE_TIMEOUT_MS = 1_000;

/** Another process answers on our socket. */
export class SocketInUseError extends Error {
  override readonly name = "SocketInUseError";
  readonly code = "STATUS_SOCKET_IN_USE";
}

/** The kernel lets the monitor give files only to a group that it is a member of. */
export class StatusGroupError extends Error {
  override readonly name = "StatusGroupError";
  readonly code = "STATUS_GROUP";
}

/**
 * Makes the folder, replaces a socket that a killed monitor left behind, and listens. Rejects when a live process holds the
 * socket, when something else than a socket is in its place, or when there is no such group.
 */
export async function listenOn(
  server: Server,
  socketPath: string,
  group: string | null,
): Promise<void> {
  const gid = group === null ? null : gidOf(group);
  const folder = path.dirname(socketPath);
  const made = fs.mkdirSync(folder, { recursive: true, mode: FOLDER_OF_OWNER });
  // A folder that was there, and that others see, is somebody's choice: who sets a group lets it in there too.
  if (gid !== null && (made !== undefined || isOursAlone(folder))) {
    share(folder, gid, FOLDER_OF_GROUP);
  }
  if (fs.existsSync(socketPath)) {
    if (!fs.lstatSync(socketPath).isSocket()) throw new Error(`${socketPath} is not a socket`);
    if (await isAlive(socketPath)) {
      throw new SocketInUseError(`another process answers on ${socketPath}`);
    }
    fs.unlinkSync(socketPath);
  }
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    // Binding creates the file before the call returns, so it never has wider permissions.
    const before = process.umask(NOBODY_ELSE);
    server.listen(socketPath, resolve);
    process.umask(before);
  });
  if (gid !== null) share(socketPath, gid, SOCKET_OF_GROUP);
}

function share(file: string, gid: number, mode: number): void {
  try {
    fs.chownSync(file, process.getuid?.() ?? -1, gid);
    fs.chmodSync(file, mode);
  } catch (error) {
    const { message } = error as Error;
    const hint = "under systemd, install it with --status-group";
    const problem = `statusGroup: the monitor may not let group ${gid} in (${hint}): ${message}`;
    throw new StatusGroupError(problem, { cause: error });
  }
}

/** As a service manager makes one for us. */
function isOursAlone(folder: string): boolean {
  const { uid, mode } = fs.statSync(folder);
  return uid === process.getuid?.() && (mode & NOBODY_ELSE) === 0;
}

/** Node has no look-up of its own; groups of a directory service are given by number. */
function gidOf(group: string): number {
  if (/^\d{1,9}$/.test(group)) return Number(group);
  const lines = fs.readFileSync("/etc/group", "utf8").split("\n");
  const line = lines.find((one) => one.startsWith(`${group}:`));
  if (line === undefined)
    throw new Error(`there is no group ${JSON.stringify(group)} on this machine`);
  return Number(line.split(":")[2]);
}

function isAlive(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(socketPath);
    const done = (alive: boolean) => {
      socket.destroy();
      resolve(alive);
    };
    socket.setTimeout(PROBE_TIMEOUT_MS, () => done(true)); // it accepts and is just slow
    socket.once("connect", () => done(true));
    socket.once("error", () => done(false)); // ECONNREFUSED: the file outlived its process
  });
}
