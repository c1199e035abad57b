// How a monitor answers the agent's range: as apps/monitor does.
import {
  describeMismatch,
  encodeHandshakeReply,
  FEATURES,
  highestShared,
  LOWEST_VERSION,
  sharedFeatures,
  type Decoded,
  type VersionRange,
} from "@selfscale/protocol";
import { type Machine } from "./machine.ts";

export type RangeAnswer = Readonly<
  | { reply: string; version: number; features: readonly string[] }
  | { reply: string; version: null; features: readonly string[] }
>;

export function answerRange(
  range: Decoded<VersionRange>,
  protocolMax: number,
  machine: Machine,
  uuid: string | null = machine.plan.hasUuid ? machine.uuid : null,
): RangeAnswer {
  if (!range.ok) return refusal(`bad range: ${range.problem}`);
  const ours = { min: LOWEST_VERSION, max: protocolMax };
  const version = highestShared(ours, range.message);
  if (version === null) return refusal(describeMismatch(ours, range.message));
  if (version === 1) return { reply: encodeHandshakeReply({ version }), version, features: [] };
  const features = sharedFeatures(FEATURES, range.message.features);
  const reply = encodeHandshakeReply({
    version,
    ...(uuid !== null && { vm: uuid }),
    boot: "00000000-0000-4000-8000-000000000001",
    ...(uuid === null && { mem: machine.guest.onlineBytes }),
    ...(features.length > 0 && { features }),
  });
  return { reply, version, features };
}

function refusal(problem: string): RangeAnswer {
  return { reply: encodeHandshakeReply({ error: problem }), version: null, features: [] };
}
