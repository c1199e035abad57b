// Before the first test: what takes minutes on a fresh machine, where no test's deadline runs and its progress is seen.
import { prepareGuest } from "./guest.ts";

/** Called by vitest, see vitest.config.ts. */
export async function setup(): Promise<void> {
  await prepareGuest({});
}
