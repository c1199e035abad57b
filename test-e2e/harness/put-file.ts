// A file from here into a running guest, through the exec channel: its tools disk is read-only and the same for all tests.
import { gzipSync } from "node:zlib";
import { type Guest } from "./guest.ts";

/** In base64 it must stay below the 128 KiB that the kernel allows an argument: the channel passes a command as one. */
const PIECE_BYTES = 90_000;

/** Writes the file, packed and in pieces. Its folder must be there. */
export async function putFile(guest: Guest, path: string, bytes: string | Buffer): Promise<void> {
  const packed = gzipSync(bytes);
  await run(guest, `: >'${path}.gz'`);
  for (let from = 0; from < packed.length; from += PIECE_BYTES) {
    const piece = packed.subarray(from, from + PIECE_BYTES).toString("base64");
    await run(guest, `base64 -d >>'${path}.gz' <<'END'\n${piece}\nEND`);
  }
  await run(guest, `gzip -df '${path}.gz'`);
}

async function run(guest: Guest, command: string): Promise<void> {
  const { code, stderr } = await guest.exec(command);
  if (code !== 0) throw new Error(`${guest.name} could not be given a file: ${stderr}`);
}
