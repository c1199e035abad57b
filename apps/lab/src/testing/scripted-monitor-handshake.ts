// How the scripted monitor answers a range.
import { decodeRange, encodeHandshakeReply, sharedFeatures } from "@selfscale/protocol";
import { type Defect } from "./monitor-defects.ts";

/** `token`: what agents must show; null: nothing. */
export type Script = Readonly<{ defect: Defect | null; speaks: 1 | 2; token: string | null }>;

export type Answer = Readonly<
  | { ok: true; reply: string; version: number; features: readonly string[] }
  | { ok: false; reply: string; problem: string }
>;

const VM = "12345678-9abc-4def-8123-456789abcdef";
const BOOT = "81838a16-da6c-4d5c-ada2-24de8e101159";

/** `opened`: how many connections there were before. */
export function answerRange(text: string, { defect, speaks }: Script, opened: number): Answer {
  const decoded = decodeRange(defect === null ? text : misread(text, defect));
  if (!decoded.ok) return refusal(`${decoded.problem}: ${text}`);
  const { min, max, features } = decoded.message;
  const isUnread = defect === "strict-range" && /"(next|capabilities)":/.test(text);
  if (isUnread || min > speaks || max < 1) return refusal(`no common version: ${text}`);
  const version =
    defect === "takes-what-was-not-offered" && min === 0 ? speaks : Math.min(max, speaks);
  if (version === 1) {
    const reply = defect === "longer-reply" ? '{"version":1,"vm":null}' : '{"version":1}';
    return { ok: true, reply, version, features: [] };
  }
  const shared = sharedFeatures(["size-report"], features);
  const named = defect === "names-features-unasked" ? ["size-report"] : shared;
  const vm = defect === "another-machine" ? VM.replace(/^.{8}/, String(10_000_000 + opened)) : VM;
  const reply = encodeHandshakeReply({
    version,
    ...(defect === "no-identity"
      ? {}
      : { vm: defect === "upper-case-uuid" ? vm.toUpperCase() : vm }),
    boot: BOOT,
    features: named,
  });
  return { ok: true, reply, version, features: shared };
}

/** The range as this defect takes it. */
function misread(text: string, defect: string): string {
  if (defect === "coerces-versions") return text.replace(/"(\d+)"/g, "$1");
  if (defect === "takes-half-a-range") return text.replace(/^\{"min":1\}$/, '{"min":1,"max":1}');
  if (defect === "takes-reversed") return text.replace('{"min":1,"max":0}', '{"min":1,"max":1}');
  return text;
}

function refusal(problem: string): Answer {
  return { ok: false, reply: JSON.stringify({ error: problem }), problem };
}
