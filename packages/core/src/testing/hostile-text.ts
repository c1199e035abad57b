// Frames as a hostile, broken or merely newer peer sends them: golden ones, some of the wrong side, mutations of all, and
// what is no frame at all.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as fc from "fast-check";

const GOLDEN = join(import.meta.dirname, "../../../protocol/golden");

export type Side = "from-agent" | "from-monitor" | "handshake";

/** Every golden frame of one side: valid, lenient and invalid, of all versions. */
function goldenTexts(side: Side): readonly string[] {
  const texts = readdirSync(GOLDEN, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.parentPath.includes(`/${side}/`))
    .map((entry) => readFileSync(join(entry.parentPath, entry.name)).toString());
  return [...new Set(texts)];
}

/** `at`: where, as a share of the text. */
const mutation = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  length: fc.nat(12),
  into: fc.constantFrom(
    "",
    "0",
    "-1",
    "1e400",
    "9007199254740993",
    "null",
    "{}",
    "[",
    '"',
    "\\",
    "\0",
    ",",
    "é",
  ),
});

function mutate(
  text: string,
  mutations: readonly { at: number; length: number; into: string }[],
): string {
  return mutations.reduce((before, { at, length, into }) => {
    const from = Math.floor(at * before.length);
    return before.slice(0, from) + into + before.slice(from + length);
  }, text);
}

/** Whatever `side` could be made to send. Mostly near to what is right: the rest dies at the first check. */
export function hostileText(side: Side): fc.Arbitrary<string> {
  const own = fc.constantFrom(...goldenTexts(side).filter((text) => text.length < 2_000));
  const sides = ["from-agent", "from-monitor", "handshake"] as const;
  const any = fc.constantFrom(...sides.flatMap(goldenTexts));
  const mutations = fc.array(mutation, { minLength: 1, maxLength: 3 });
  return fc.oneof(
    { weight: 5, arbitrary: own },
    { weight: 5, arbitrary: fc.tuple(own, mutations).map(([text, all]) => mutate(text, all)) },
    { weight: 1, arbitrary: any },
    { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 50 }) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        "x".repeat(40_000),
        "[".repeat(16_000),
        `{"type":"HealthCheck","id":${"9".repeat(5_000)}}`,
        `{"type":"InternalError","error":"${"x".repeat(32_000)}","id":2}`,
        `{"content":{"error":"${"\\u0000".repeat(5_000)}"},"type":"InvalidMessage","id":3}`,
      ),
    },
  );
}
