// What a hostile or broken agent does to a socket: bytes of RFC 6455, rightly and wrongly made, and no farewell.
import * as fc from "fast-check";

/** Replay with SEED=n; FUZZ_SECONDS=n is how long one fuzzer runs. */
export const SEED = Number(process.env.SEED ?? 1);
export const FUZZ_SECONDS = Number(process.env.FUZZ_SECONDS ?? 4);

export type Attack = Readonly<{
  /** Whether it upgrades first, and says a range that is taken. */
  opening: "nothing" | "upgrade" | "handshake";
  chunks: readonly Buffer[];
  ending: "reset" | "half-close" | "close" | "silence";
}>;

const TEXT = 1;
const BINARY = 2;

type Shape = Readonly<{
  isFinal: boolean;
  reserved: number;
  isMasked: boolean;
  claimed: number | null;
}>;
const PROPER: Shape = { isFinal: true, reserved: 0, isMasked: true, claimed: null };

/** A frame as a client writes it. `claimed`: a length that is not the payload's. */
export function clientFrame(opcode: number, payload: Buffer, shape: Partial<Shape> = {}): Buffer {
  const { isFinal, reserved, isMasked, claimed } = { ...PROPER, ...shape };
  const length = claimed ?? payload.length;
  const first = (isFinal ? 0x80 : 0) | (reserved << 4) | opcode;
  const mask = isMasked ? 0x80 : 0;
  const head =
    length < 126 ? Buffer.from([first, mask | length]) : Buffer.alloc(length < 65_536 ? 4 : 10);
  if (length >= 126) {
    head[0] = first;
    head[1] = mask | (length < 65_536 ? 126 : 127);
    if (length < 65_536) head.writeUInt16BE(length, 2);
    else head.writeBigUInt64BE(BigInt(length), 2);
  }
  // A mask of zeros changes nothing.
  return Buffer.concat([head, isMasked ? Buffer.alloc(4) : Buffer.alloc(0), payload]);
}

const text = fc.constantFrom(
  '{"content":{},"type":"HealthCheck","id":2}\n',
  '{"min":1,"max":2}',
  "{}",
  "x".repeat(32_768),
  "x".repeat(32_769),
  "",
);
const opcode = fc.constantFrom(0, TEXT, TEXT, TEXT, BINARY, 3, 8, 9, 10, 11);
const payload = fc.oneof(
  text.map((words) => Buffer.from(words)),
  fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
);
const shape: fc.Arbitrary<Partial<Shape>> = fc.constantFrom(
  {},
  {},
  {},
  { isFinal: false },
  { reserved: 4 },
  { isMasked: false },
  { claimed: 2 ** 40 },
  { claimed: 100 },
);
const frame = fc
  .record({ opcode, payload, shape, times: fc.constantFrom(1, 1, 1, 1, 5, 300) })
  .map(({ times, ...one }) => {
    const bytes = clientFrame(one.opcode, one.payload, one.shape);
    return Buffer.concat(Array.from({ length: bytes.length > 1_000 ? 1 : times }, () => bytes));
  });
const garbage = fc.uint8Array({ minLength: 1, maxLength: 500 }).map((bytes) => Buffer.from(bytes));

export const attack: fc.Arbitrary<Attack> = fc.record({
  opening: fc.constantFrom("nothing" as const, "upgrade", "handshake", "handshake", "handshake"),
  chunks: fc.array(fc.oneof({ weight: 4, arbitrary: frame }, { weight: 1, arbitrary: garbage }), {
    maxLength: 8,
  }),
  ending: fc.constantFrom("reset" as const, "half-close", "close", "silence"),
});

export const UPGRADE =
  "GET /monitor HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
