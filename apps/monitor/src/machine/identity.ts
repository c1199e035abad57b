import fs from "node:fs";
import { readUuid } from "@selfscale/protocol";

/** Who this machine is, as the handshake reply tells it. */
export type Identity = Readonly<{
  /** SMBIOS UUID, lower case as QMP prints it; null when the machine was given none. */
  uuid: string | null;
  /** Changes with every boot; null when the kernel does not say. */
  bootId: string | null;
}>;

/** Where the kernel's files are; other folders in tests. */
export type Roots = Readonly<{ proc: string; sys: string }>;

/** Reads what the firmware and the kernel say. A file that is missing is an unknown, not an error. */
export function readIdentity(roots: Roots): Identity {
  return {
    uuid: readUuid(readLine(`${roots.sys}/class/dmi/id/product_uuid`) ?? ""),
    bootId: readUuid(readLine(`${roots.proc}/sys/kernel/random/boot_id`) ?? ""),
  };
}

/** A small file's text; null when it can't be read. */
export function readLine(path: string): string | null {
  try {
    return fs.readFileSync(path, "latin1");
  } catch {
    // Absent in containers and on other architectures; callers have a meaning for "unknown".
    return null;
  }
}
