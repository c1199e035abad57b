// Whether every golden frame that was released is still there, byte for byte. New frames and new versions may be added.
import { createHash } from "node:crypto";

/** sha256 by path below golden/. */
export type Digests = ReadonlyMap<string, string>;

/** The digests of files, as a release lists them. */
export function digestsOf(files: ReadonlyMap<string, Uint8Array>): Digests {
  return new Map([...files].map(([path, bytes]) => [path, sha256(bytes)]));
}

/** What a golden.sha256 says, one "digest  path" a line, as sha256sum writes it. Throws on any other line. */
export function readDigests(list: string): Digests {
  const lines = list.split("\n").filter((line) => line !== "");
  return new Map(
    lines.map((line) => {
      const [, digest, path] = /^([0-9a-f]{64}) {2}(\S+)$/.exec(line) ?? [];
      if (digest === undefined || path === undefined)
        throw new Error(`no digest and path: ${line}`);
      return [path, digest];
    }),
  );
}

/** What became of released frames that must not have: one line each. */
export function goldenProblems(released: Digests, current: Digests): string[] {
  if (released.size === 0) return ["this release lists no frame"];
  const pathOf = new Map([...current].map(([path, digest]) => [digest, path]));
  return [...released].flatMap(([path, digest]) => {
    const now = current.get(path);
    if (now === digest) return [];
    if (now !== undefined) return [`${path}: was changed`];
    const moved = pathOf.get(digest);
    return [moved === undefined ? `${path}: is gone` : `${path}: is gone, renamed to ${moved}`];
  });
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
