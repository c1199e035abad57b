// One good conversation, and what the referee says when one thing in it is changed.
import { describe, expect, test } from "vitest";
import { Referee } from "./referee.ts";
import { RULES, sideOf, type RuleId, type Side } from "./rules.ts";

type Row = readonly [atMs: number, from: Side, text: string];

const MIB = 1024 ** 2;
const size = (cpu: number, mib: number) => ({ cpu, mem: mib * MIB });
const agent = (type: string, id: number, content: object = {}) =>
  JSON.stringify({ content, type, id });
const monitor = (type: string, id: number, fields: object = {}) =>
  JSON.stringify({ type, ...fields, id });
const report = (actual: object, more: object = {}) => ({
  ...{ actual, requested: actual, permit: actual },
  ...{ bounds: { min: size(1, 512), max: size(4, 2560) }, step: size(1, 128) },
  ...more,
});
const answer = (outcome: string, cpu: string, mem: string) => ({
  outcome,
  resources: { cpu: { outcome: cpu }, mem: { outcome: mem } },
  permit: size(1, 1024),
});
const wish = (cpu: number, mib: number, more: object = {}) => ({ target: size(cpu, mib), ...more });

const HELLO: readonly Row[] = [
  [0, "agent", '{"min":1,"max":2,"features":["size-report"]}\n'],
  [10, "monitor", '{"version":2,"features":["size-report"]}'],
];
const HELLO_1: readonly Row[] = [
  [0, "agent", '{"min":1,"max":1}\n'],
  [10, "monitor", '{"version":1}'],
];

/** Growth, and a shrink by consent, on version 2. */
const GOOD: readonly Row[] = [
  ...HELLO,
  [20, "agent", agent("SizeReport", 2, report(size(1, 512)))],
  [100, "monitor", monitor("ScaleRequest", 3, wish(1, 512, { reason: "start" }))],
  [110, "agent", agent("ScaleResponse", 3, answer("accepted", "accepted", "accepted"))],
  [3000, "monitor", monitor("ScaleRequest", 5, wish(1, 1024, { reason: "memory", ageMs: 3 }))],
  [3010, "agent", agent("ScaleResponse", 5, answer("accepted", "accepted", "accepted"))],
  [3600, "agent", agent("UpscaleNotification", 4, { granted: size(1, 1024) })],
  [3601, "agent", agent("SizeReport", 6, report(size(1, 1024)))],
  [3610, "monitor", monitor("UpscaleConfirmation", 4)],
  [5010, "agent", agent("HealthCheck", 8)],
  [5015, "monitor", monitor("HealthCheck", 8)],
  [6000, "monitor", monitor("ScaleRequest", 7, wish(1, 512, { reason: "idle" }))],
  [6005, "agent", agent("ScaleResponse", 7, answer("accepted", "accepted", "accepted"))],
  [6010, "agent", agent("DownscaleRequest", 10, { target: size(1, 768) })],
  [6020, "monitor", monitor("DownscaleResult", 10, { Ok: true, Status: "agreed" })],
  [7000, "agent", agent("SizeReport", 12, report(size(1, 768)))],
];

function watch(rows: readonly Row[], endMs?: number): Referee {
  const referee = new Referee({ slackMs: 500 });
  for (const [atMs, from, text] of rows) referee.hear({ atMs, from, text });
  if (endMs !== undefined) referee.end(endMs);
  return referee;
}

const brokenIn = (rows: readonly Row[], endMs?: number) => [
  ...new Set(watch(rows, endMs).violations.map(({ rule }) => rule)),
];

test("a good conversation breaks nothing, and most rules could be judged", () => {
  const referee = watch(GOOD, 8000);
  expect(referee.violations).toEqual([]);
  expect([...referee.judged.keys()].sort()).toEqual([
    ...["agent/asks-first", "agent/envelope", "agent/health-check", "agent/ids", "agent/known"],
    ...["agent/negotiated", "agent/numbers", "agent/one-answer", "agent/one-question"],
    ...["agent/range", "agent/report-every", "agent/report-first", "agent/report-rate"],
    ...["agent/report-sense", "agent/size", "agent/words", "agent/worst-outcome"],
    ...["monitor/envelope", "monitor/ids", "monitor/in-time", "monitor/known", "monitor/level"],
    ...["monitor/negotiated", "monitor/numbers", "monitor/one-answer", "monitor/reply"],
    ...["monitor/resent", "monitor/scale-rate", "monitor/size", "monitor/target"],
    ...["monitor/waits", "monitor/words"],
  ]);
});

test("every rule belongs to a side", () => {
  expect(new Set((Object.keys(RULES) as RuleId[]).map(sideOf))).toEqual(
    new Set(["agent", "monitor"]),
  );
});

const after = (...rows: Row[]): readonly Row[] => [...GOOD, ...rows];
const huge = "x".repeat(33_000);
const floats = '{"type":"ScaleRequest","target":{"cpu":1,"mem":536870912.0},"id":9}';

describe("the agent", () => {
  test.for<{ name: string; rows: readonly Row[]; endMs?: number; breaks: RuleId[] }>([
    {
      name: "offers min 2",
      rows: [[0, "agent", '{"min":2,"max":3}']],
      breaks: ["agent/range"],
    },
    {
      name: "offers a max that is no byte",
      rows: [[0, "agent", '{"min":1,"max":300}']],
      breaks: ["agent/range"],
    },
    {
      name: "sends a frame that is too large",
      rows: after([7100, "agent", agent("InternalError", 9, { error: huge })]),
      breaks: ["agent/size", "agent/known"],
    },
    {
      name: "writes keys in another order",
      rows: after([7100, "agent", '{"type":"HealthCheck","content":{},"id":14}']),
      breaks: ["agent/envelope"],
    },
    {
      name: "leaves content out",
      rows: after([7100, "agent", '{"type":"HealthCheck","id":14}']),
      breaks: ["agent/envelope", "agent/known"],
    },
    {
      name: "writes mem with an exponent",
      rows: after([
        7100,
        "agent",
        '{"content":{"granted":{"cpu":1,"mem":1e9}},"type":"UpscaleNotification","id":14}',
      ]),
      breaks: ["agent/numbers"],
    },
    {
      name: "sends what nobody knows",
      rows: after([7100, "agent", agent("Migrate", 14)]),
      breaks: ["agent/known"],
    },
    {
      name: "answers a ScaleRequest on version 1",
      rows: [
        ...HELLO_1,
        [1100, "monitor", monitor("ScaleRequest", 3, wish(1, 512))],
        [1110, "agent", agent("ScaleResponse", 3, answer("accepted", "accepted", "accepted"))],
      ],
      breaks: ["agent/negotiated"],
    },
    {
      name: "reports sizes that the monitor did not ask to be told",
      rows: [
        [0, "agent", '{"min":1,"max":2,"features":["size-report"]}'],
        [10, "monitor", '{"version":2}'],
        [20, "agent", agent("SizeReport", 2, report(size(1, 512)))],
      ],
      breaks: ["agent/negotiated"],
    },
    {
      name: "uses a word of its own",
      rows: after([
        7600,
        "agent",
        agent("SizeReport", 14, report(size(1, 768), { reason: "moon" })),
      ]),
      breaks: ["agent/words"],
    },
    {
      name: "mints an odd id",
      rows: after([7100, "agent", agent("HealthCheck", 13)]),
      breaks: ["agent/ids"],
    },
    {
      name: "uses an id again",
      rows: after([7100, "agent", agent("HealthCheck", 8)]),
      breaks: ["agent/ids"],
    },
    {
      name: "answers twice",
      rows: after([
        7100,
        "agent",
        agent("ScaleResponse", 7, answer("accepted", "accepted", "accepted")),
      ]),
      breaks: ["agent/one-answer"],
    },
    {
      name: "answers a complaint",
      rows: after(
        [7100, "monitor", monitor("InternalError", 21, { error: "no" })],
        [7101, "agent", agent("InvalidMessage", 21, { error: "what?" })],
      ),
      breaks: ["agent/complaints"],
    },
    {
      name: "calls a half refused wish accepted",
      rows: after(
        [7100, "monitor", monitor("ScaleRequest", 9, wish(1, 512))],
        [7110, "agent", agent("ScaleResponse", 9, answer("accepted", "accepted", "refused"))],
      ),
      breaks: ["agent/worst-outcome"],
    },
    { name: "checks no health", rows: GOOD, endMs: 10_600, breaks: ["agent/health-check"] },
    {
      name: "reports no size at first",
      rows: [...HELLO, [20, "agent", agent("HealthCheck", 2)]],
      breaks: ["agent/report-first"],
    },
    {
      name: "reports four times in a second, for seconds",
      rows: after(
        ...Array.from({ length: 8 }, (_, index): Row => {
          return [
            7250 + 250 * index,
            "agent",
            agent("SizeReport", 14 + 2 * index, report(size(1, 768))),
          ];
        }),
      ),
      breaks: ["agent/report-rate"],
    },
    {
      name: "reports no more",
      rows: after(
        ...[10, 15, 20, 25, 30, 35].flatMap((s, index): Row[] => [
          [s * 1000 + 10, "agent", agent("HealthCheck", 20 + 2 * index)],
          [s * 1000 + 11, "monitor", monitor("HealthCheck", 20 + 2 * index)],
        ]),
      ),
      endMs: 38_000,
      breaks: ["monitor/resent", "agent/report-every"],
    },
    {
      name: "turns its bounds round",
      rows: after([
        7600,
        "agent",
        agent(
          "SizeReport",
          14,
          report(size(1, 768), { bounds: { min: size(4, 512), max: size(1, 512) } }),
        ),
      ]),
      breaks: ["agent/report-sense"],
    },
    {
      name: "asks twice at once",
      rows: after(
        [7100, "agent", agent("DownscaleRequest", 14, { target: size(1, 640) })],
        [7200, "agent", agent("DownscaleRequest", 16, { target: size(1, 512) })],
      ),
      breaks: ["agent/one-question"],
    },
    {
      name: "takes more than was agreed to",
      rows: after([7600, "agent", agent("SizeReport", 14, report(size(1, 640)))]),
      breaks: ["agent/asks-first"],
    },
    {
      name: "takes what was refused",
      rows: after(
        [7100, "agent", agent("DownscaleRequest", 14, { target: size(1, 640) })],
        [7110, "monitor", monitor("DownscaleResult", 14, { Ok: false, Status: "in use" })],
        [7600, "agent", agent("SizeReport", 16, report(size(1, 640)))],
      ),
      breaks: ["agent/asks-first"],
    },
    {
      name: "takes by an old consent after it gave",
      rows: after(
        [7600, "agent", agent("SizeReport", 14, report(size(1, 1024)))],
        [8200, "agent", agent("SizeReport", 16, report(size(1, 768)))],
      ),
      breaks: ["agent/asks-first"],
    },
  ])("$name", ({ rows, endMs, breaks }) => {
    expect(brokenIn(rows, endMs)).toEqual(breaks);
  });

  test("may finish a shrink that an earlier connection agreed to", () => {
    const rows: Row[] = [
      ...HELLO,
      [20, "agent", agent("SizeReport", 2, report(size(1, 1024), { requested: size(1, 768) }))],
      [600, "agent", agent("SizeReport", 4, report(size(1, 768)))],
    ];
    expect(brokenIn(rows)).toEqual([]);
  });
});

describe("the monitor", () => {
  test.for<{ name: string; rows: readonly Row[]; endMs?: number; breaks: RuleId[] }>([
    { name: "speaks first", rows: [[0, "monitor", '{"version":1}']], breaks: ["monitor/waits"] },
    {
      name: "picks a version that was not offered",
      rows: [HELLO_1[0] as Row, [10, "monitor", '{"version":2}']],
      breaks: ["monitor/reply"],
    },
    {
      name: "picks a version where none was offered",
      rows: [
        [0, "agent", '{"min":1}'],
        [10, "monitor", '{"version":1}'],
      ],
      breaks: ["agent/range", "monitor/reply"],
    },
    {
      name: "answers with nothing",
      rows: [HELLO_1[0] as Row, [10, "monitor", "{}"]],
      breaks: ["monitor/reply"],
    },
    {
      name: "sends a frame that is too large",
      rows: after([7100, "monitor", monitor("InternalError", 9, { error: huge })]),
      breaks: ["monitor/size", "monitor/known"],
    },
    {
      name: "wraps its message",
      rows: after([7100, "monitor", agent("ScaleRequest", 9, wish(1, 512))]),
      breaks: ["monitor/envelope", "monitor/known"],
    },
    {
      name: "writes mem with a point",
      rows: after([7100, "monitor", floats]),
      breaks: ["monitor/numbers"],
    },
    {
      name: "goes on with ScaleRequest where it is not known",
      rows: [
        ...HELLO_1,
        [1100, "monitor", monitor("ScaleRequest", 3, wish(1, 512))],
        [1110, "agent", agent("InvalidMessage", 3, { error: "unknown type" })],
        [3100, "monitor", monitor("ScaleRequest", 5, wish(1, 512))],
      ],
      breaks: ["monitor/negotiated"],
    },
    {
      name: "uses a word of its own",
      rows: after([7100, "monitor", monitor("ScaleRequest", 9, wish(1, 512, { reason: "moon" }))]),
      breaks: ["monitor/words"],
    },
    {
      name: "mints an even id",
      rows: after([7100, "monitor", monitor("ScaleRequest", 20, wish(1, 512))]),
      breaks: ["monitor/ids"],
    },
    {
      name: "answers in the wrong kind",
      rows: after(
        [7100, "agent", agent("HealthCheck", 14)],
        [7110, "monitor", monitor("UpscaleConfirmation", 14)],
      ),
      breaks: ["monitor/one-answer"],
    },
    {
      name: "answers twice",
      rows: after([7100, "monitor", monitor("HealthCheck", 8)]),
      breaks: ["monitor/one-answer"],
    },
    {
      name: "does not answer",
      rows: after([7100, "agent", agent("HealthCheck", 14)]),
      endMs: 12_700,
      breaks: ["monitor/in-time", "agent/health-check"],
    },
    {
      name: "answers a complaint",
      rows: after(
        [7100, "agent", agent("InternalError", 22, { error: "no" })],
        [7101, "monitor", monitor("InvalidMessage", 22, { error: "what?" })],
      ),
      breaks: ["monitor/complaints"],
    },
    {
      name: "calls for more before the agent has spoken",
      rows: [...HELLO_1, [100, "monitor", monitor("UpscaleRequest", 3)]],
      breaks: ["monitor/early"],
    },
    {
      name: "calls for more twice in a second",
      rows: [
        ...HELLO_1,
        [1100, "monitor", monitor("UpscaleRequest", 3)],
        [1500, "monitor", monitor("UpscaleRequest", 5)],
      ],
      breaks: ["monitor/upscale-rate"],
    },
    {
      name: "asks for nothing at all",
      rows: after([7100, "monitor", monitor("ScaleRequest", 9, wish(1, 0))]),
      breaks: ["monitor/target"],
    },
    { name: "states no level", rows: GOOD.slice(0, 3), endMs: 2_000, breaks: ["monitor/level"] },
    {
      name: "states a level once, and waits for ever",
      rows: [
        ...HELLO,
        [20, "agent", agent("SizeReport", 2, report(size(1, 512)))],
        [100, "monitor", monitor("ScaleRequest", 3, wish(2, 512))],
        [5010, "agent", agent("HealthCheck", 4)],
        [5011, "monitor", monitor("HealthCheck", 4)],
      ],
      endMs: 5_700,
      breaks: ["monitor/resent"],
    },
    {
      name: "repeats itself ten times a second",
      rows: after(
        [7100, "monitor", monitor("ScaleRequest", 9, wish(1, 512))],
        [7200, "monitor", monitor("ScaleRequest", 11, wish(1, 512))],
      ),
      breaks: ["monitor/scale-rate"],
    },
    {
      name: "raises its level fifty times a second",
      rows: after(
        ...Array.from({ length: 14 }, (_, index): Row => {
          const text = monitor("ScaleRequest", 9 + 2 * index, wish(1 + index / 10, 512));
          return [8000 + index * 20, "monitor", text];
        }),
      ),
      breaks: ["monitor/scale-rate"],
    },
  ])("$name", ({ rows, endMs, breaks }) => {
    expect(brokenIn(rows, endMs)).toEqual(breaks);
  });

  test("may try one ScaleRequest on version 1, and go on if nobody complains", () => {
    const rows: Row[] = [
      ...HELLO_1,
      [1100, "monitor", monitor("ScaleRequest", 3, wish(1, 512))],
      [5100, "monitor", monitor("ScaleRequest", 5, wish(1, 512))],
    ];
    expect(brokenIn(rows)).toEqual([]);
  });

  test("may refuse what is no range", () => {
    const rows: Row[] = [
      [0, "agent", "hello"],
      [10, "monitor", '{"error":"bad range: frame is not JSON"}'],
    ];
    expect(brokenIn(rows)).toEqual(["agent/range"]);
  });

  test("may refuse, and is heard no more", () => {
    const rows: Row[] = [
      [0, "agent", '{"min":1,"max":1}'],
      [10, "monitor", '{"error":"no common version"}'],
    ];
    expect(brokenIn(rows, 60_000)).toEqual([]);
  });
});
