import crypto from "node:crypto";
import fs from "node:fs";

/** A token is read from a file; what is longer is no token. */
const MAX_TOKEN_BYTES = 4096;

/** Who may connect. */
export type Auth = Readonly<{
  /** True when this `Authorization` header proves it knows the token, or when none is asked. */
  admits(authorization: string | undefined): boolean;
}>;

/** Lets everybody in: the deployed agents know no tokens. */
export const openToAll: Auth = { admits: () => true };

/**
 * The token in `path`, without white space around it. Throws when there is none: a monitor that
 * was told to check a token must not start without.
 */
export function readToken(path: string): string {
  const token = fs.readFileSync(path, "utf8").trim();
  if (token === "") throw new Error("the file is empty");
  if (Buffer.byteLength(token) > MAX_TOKEN_BYTES) {
    throw new Error(`the token is longer than ${MAX_TOKEN_BYTES} bytes`);
  }
  return token;
}

/**
 * Asks for `Authorization: Bearer <token>`. The file is read at every attempt, so that a token can
 * be changed without a restart; while it can't be read nobody is let in.
 */
export function tokenAuth(path: string): Auth {
  return {
    admits(authorization) {
      const shown = /^Bearer +(\S+)\s*$/i.exec(authorization ?? "")?.[1];
      if (shown === undefined) return false;
      try {
        return isSame(shown, readToken(path));
      } catch {
        // A token that can't be read can't be matched; the refusal itself is logged and counted.
        return false;
      }
    },
  };
}

/** Compares in a time that tells nothing: digests have one length, whatever was shown. */
function isSame(a: string, b: string): boolean {
  const digest = (text: string) => crypto.createHash("sha256").update(text).digest();
  return crypto.timingSafeEqual(digest(a), digest(b));
}
