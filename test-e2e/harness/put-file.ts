// A file from here into a running guest, through the exec channel: its tools disk is read-only and the same for all tests.
import { type Guest } from "./guest.ts";

/** The kernel takes no argument above 128 KiB, and the channel passes a command as one. */
const PIECE_BYTES = 60_000;

/** Writes the file, in pieces, and the folders above it. */
export async function putFile(guest: Guest, path: string, bytes: Buffer): Promise<void> {
  await run(guest, `mkdir -p "$(dirname '${path}')" && : >'${path}'`);
  for (let from = 0; from < bytes.length; from += PIECE_BYTES) {
    const piece = bytes.subarray(from, from + PIECE_BYTES).toString("base64");
    await run(guest, `base64 -d >>'${path}' <<'END'\n${piece}\nEND`);
  }
}

async function run(guest: Guest, command: string): Promise<void> {
  const { code, stderr } = await guest.exec(command);
  if (code !== 0) throw new Error(`${guest.name} could not be given a file: ${stderr}`);
}
