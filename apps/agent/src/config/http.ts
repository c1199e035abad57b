import { isLoopback } from "./loopback.ts";
import { DEFAULT_HTTP, parseHttpAddress } from "./schema.ts";

export type HttpAddress = Readonly<{ host: string; port: number }>;

export type HttpChoice = Readonly<{
  /** null: nothing is served. */
  address: HttpAddress | null;
  /** The operator named it. What nobody asked for is no reason not to start. */
  isGiven: boolean;
}>;

/** `text` as the schema took it; undefined: the file says nothing. */
export function httpOf(text: string | undefined): HttpChoice {
  if (text === undefined) return { address: DEFAULT_HTTP, isGiven: false };
  return { address: text === "none" ? null : parseHttpAddress(text), isGiven: true };
}

/** Whether others than this machine can read it: names and sizes of VMs are in there, without any password. */
export function isExposed({ host }: HttpAddress): boolean {
  const url = new URL(`http://${host.includes(":") ? `[${host}]` : host}`);
  return !isLoopback(url.hostname);
}
