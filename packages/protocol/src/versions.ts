// What this code speaks, in one place: offers, answers, settings and tests read it here.
import { type VersionRange } from "./handshake.ts";

/** Without gaps. An operator may set each as the highest to speak, to go back to an older one. */
export const SPOKEN_VERSIONS: readonly number[] = [1, 2];
/** Stays 1 until no deployed monitor is left: they abort on an offer that starts higher. */
export const LOWEST_VERSION = Math.min(...SPOKEN_VERSIONS);
export const HIGHEST_VERSION = Math.max(...SPOKEN_VERSIONS);

/** How the protocol grows between two versions: only what both sides named is used. */
export const FEATURES: readonly string[] = ["size-report"];

/** What an agent offers. Up to version 1 it is that of deployed agents, which name no features. */
export function offeredRange(max: number = HIGHEST_VERSION): VersionRange {
  const versions = { min: LOWEST_VERSION, max };
  return max === 1 ? versions : { ...versions, features: FEATURES };
}
