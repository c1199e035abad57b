// The first two frames of a connection: the agent offers a range of versions, the monitor picks
// one or refuses.
import * as z from "zod/mini";
import { assert } from "./assert.ts";
import { readFields, readObject, undecoded, type Decoded } from "./decode.ts";
import { frame } from "./encode.ts";
import { MAX_FEATURES } from "./limits.ts";
import { isWord } from "./reasons.ts";
import { wellFormed } from "./text.ts";

/** What one side speaks, both ends included. v1.0 on the wire is the number 1. */
export type VersionRange = Readonly<{ min: number; max: number; features?: readonly string[] }>;

/** What the monitor answers. After an error it closes. */
export type HandshakeReply =
  | Readonly<{
      version: number;
      /** SMBIOS UUID, lower case. Absent when there is none. */
      vm?: string;
      /** The guest kernel's boot_id. */
      boot?: string;
      /**
       * Bytes of RAM the monitor believes QEMU gives. Sent only without `vm`, as a weaker
       * identity.
       */
      mem?: number;
      features?: readonly string[];
    }>
  | Readonly<{ error: string }>;

/** Features are how this protocol grows; a name we cannot know is dropped, never an error. */
const Features = z.pipe(
  z.array(z.unknown()),
  z.transform((names): readonly string[] => names.filter(isFeature).slice(0, MAX_FEATURES)),
);

/** Deployed agents hold versions as uint32. */
const Version = z.int().check(z.minimum(0), z.maximum(0xffff_ffff));

/** The agent's first frame. */
export const Range = z
  .object({ min: Version, max: Version, features: z.exactOptional(Features) })
  .check(z.refine((range) => range.min <= range.max, "min is above max"));

const Identity = z.string().check(z.maxLength(64));

/** The monitor's first frame when a version was agreed on … */
export const Acceptance = z.object({
  version: Version,
  vm: z.exactOptional(Identity),
  boot: z.exactOptional(Identity),
  mem: z.exactOptional(z.int().check(z.positive())),
  features: z.exactOptional(Features),
});

/** … and when none was. */
export const Refusal = z.object({ error: z.string() });

/** The highest version both speak, or null. Who asks first does not matter. */
export function highestShared(ours: VersionRange, theirs: VersionRange): number | null {
  const highest = Math.min(ours.max, theirs.max);
  return highest >= Math.max(ours.min, theirs.min) ? highest : null;
}

/** Only what both sides named is used. */
export function sharedFeatures(
  ours: readonly string[] | undefined,
  theirs: readonly string[] | undefined,
): string[] {
  return (ours ?? []).filter((name) => theirs?.includes(name) === true);
}

/** Short on purpose: deployed agents put it into a close reason. */
export function describeMismatch(ours: VersionRange, theirs: VersionRange): string {
  return `no common version: ${ours.min}-${ours.max} and ${theirs.min}-${theirs.max}`;
}

/** The agent's first frame. Throws on an offer that no deployed monitor survives. */
export function encodeRange({ min, max, features }: VersionRange): string {
  assert(Number.isInteger(min) && Number.isInteger(max), "versions are integers");
  // Deployed monitors recurse until their stack overflows while they word the error for min ≥ 2.
  assert(min >= 0 && min <= 1, "the lowest version offered is 0 or 1");
  // Deployed monitors parse it as a byte.
  assert(max >= 1 && max <= 255, "the highest version offered is within 1 and 255");
  return frame({ min, max, features: checkedFeatures(features) });
}

/**
 * Never throws. The array form `[1,2]`, which deployed monitors happen to take, is refused: no
 * agent sends it.
 */
export function decodeRange(text: string): Decoded<VersionRange> {
  const object = readObject(text);
  return object.ok ? readFields(Range, object.message, null) : object;
}

/** The monitor's answer. Throws on what no agent could use. */
export function encodeHandshakeReply(reply: HandshakeReply): string {
  if ("error" in reply) return frame({ error: wellFormed(reply.error) });
  const { version, vm, boot, mem, features } = reply;
  assert(
    Number.isInteger(version) && version >= 1 && version <= 255,
    "a version is within 1 and 255",
  );
  for (const name of [vm, boot]) {
    assert(name === undefined || name.length <= 64, "an identity has at most 64 characters");
  }
  assert(mem === undefined || (Number.isSafeInteger(mem) && mem > 0), "mem is a positive integer");
  return frame({ version, vm, boot, mem, features: checkedFeatures(features) });
}

/** Never throws. A version outside what was offered is refused; deployed agents take even `{}`. */
export function decodeHandshakeReply(text: string, offered: VersionRange): Decoded<HandshakeReply> {
  const object = readObject(text);
  if (!object.ok) return object;
  const raw = object.message;
  // Deployed agents look at the error first, and take a null one for none.
  if (raw.error !== undefined && raw.error !== null) return readFields(Refusal, raw, null);
  const accepted = readFields(Acceptance, raw, null);
  if (!accepted.ok) return accepted;
  const { version } = accepted.message;
  if (version < offered.min || version > offered.max) {
    const problem = `version ${version} was not offered, only ${offered.min} to ${offered.max}`;
    return undecoded("bad-fields", problem);
  }
  return accepted;
}

/**
 * An SMBIOS UUID as both sides compare it: lower case; null when it is not one or all zero, which
 * is how a machine without a UUID reports it.
 */
export function readUuid(text: string): string | null {
  const uuid = text.trim().toLowerCase();
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(uuid)) return null;
  return /[1-9a-f]/.test(uuid) ? uuid : null;
}

function isFeature(name: unknown): name is string {
  return typeof name === "string" && isWord(name);
}

function checkedFeatures(names: readonly string[] | undefined): readonly string[] | undefined {
  assert(names === undefined || names.every(isWord), "a feature is at most 64 of [a-z0-9-]");
  assert((names?.length ?? 0) <= MAX_FEATURES, `at most ${MAX_FEATURES} features`);
  return names;
}
