import {
  decodeRange,
  describeMismatch,
  encodeHandshakeReply,
  highestShared,
  LOWEST_VERSION,
  sharedFeatures,
} from "@selfscale/protocol";
import { type Identity } from "../machine/identity.ts";

/** What the answer to a range frame depends on. */
export type HandshakeFacts = Readonly<{
  /** The highest version we speak; 1 makes us a deployed monitor. */
  protocolMax: number;
  features: readonly string[];
  identity: Identity;
  /** All RAM that QEMU gives, as far as we can see; null when we can't. */
  memBytes: number | null;
}>;

/** What to send back, and what was agreed or why nothing was. */
export type RangeAnswer = Readonly<
  | { ok: true; reply: string; version: number; features: readonly string[] }
  | { ok: false; reply: string; problem: string }
>;

/** Pure. The agent speaks first; we pick the highest version both know, or say why there is none. */
export function answerRange(text: string, facts: HandshakeFacts): RangeAnswer {
  const decoded = decodeRange(text);
  if (!decoded.ok) return refusal(`bad range: ${decoded.problem}`);
  const theirs = decoded.message;
  const ours = { min: LOWEST_VERSION, max: facts.protocolMax };
  const version = highestShared(ours, theirs);
  if (version === null) return refusal(describeMismatch(ours, theirs));
  // A version-1 answer is byte for byte that of deployed monitors.
  if (version === 1) {
    return { ok: true, reply: encodeHandshakeReply({ version }), version, features: [] };
  }
  const { identity, memBytes } = facts;
  const features = sharedFeatures(facts.features, theirs.features);
  const reply = encodeHandshakeReply({
    version,
    ...(identity.uuid !== null && { vm: identity.uuid }),
    ...(identity.bootId !== null && { boot: identity.bootId }),
    // Only as a weaker identity, for machines that were given no UUID.
    ...(identity.uuid === null && memBytes !== null && { mem: memBytes }),
    ...(features.length > 0 && { features }),
  });
  return { ok: true, reply, version, features };
}

function refusal(problem: string): RangeAnswer {
  return { ok: false, reply: encodeHandshakeReply({ error: problem }), problem };
}
