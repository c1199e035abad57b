// The first two frames, as a monitor must answer them.
import { clip, demand, NotApplicable, type Check } from "../check.ts";
import { RANGE_V1, RANGE_V2, type MonitorSubject } from "../monitor-subject.ts";

const QUIET_MS = 500;
const CLOSES_WITHIN_MS = 2_500;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export const handshakeChecks: readonly Check<MonitorSubject>[] = [
  {
    id: "handshake/agent-speaks-first",
    group: "handshake",
    rule: "The agent speaks first: the monitor says nothing before the range.",
    async run(monitor) {
      const wire = await monitor.connect();
      await wire.never("a frame before the range", () => true, QUIET_MS);
    },
  },
  {
    id: "handshake/version-1",
    group: "handshake",
    rule: "A range of 1 to 1 is answered with version 1.",
    async run(monitor) {
      const { reply } = await monitor.shake(RANGE_V1);
      demand(reply.json?.version === 1, `the reply is ${clip(reply.text)}`);
    },
  },
  {
    id: "handshake/version-1-reply",
    group: "handshake",
    rule: 'The reply of version 1 is that of deployed monitors: {"version":1} and nothing else.',
    async run(monitor) {
      const { reply } = await monitor.shake(RANGE_V1);
      const keys = Object.keys(reply.json ?? {});
      demand(keys.join() === "version", `the reply is ${clip(reply.text)}`);
    },
  },
  {
    id: "handshake/highest-shared",
    group: "handshake",
    rule: "The highest shared version wins, whatever newer ones an agent of next year offers.",
    async run(monitor) {
      const top = await agreedOn(monitor, 1, 255);
      demand(top >= 1 && top <= 255, `of 1 to 255 it took ${top}`);
      for (const [min, max] of [
        [0, 1],
        [1, 2],
        [1, 3],
        [0, 9],
      ] as const) {
        const version = await agreedOn(monitor, min, max);
        const highest = Math.min(top, max);
        demand(
          version === highest,
          `of ${min} to ${max} it took ${version}, and of 1 to 255 it took ${top}`,
        );
      }
    },
  },
  {
    id: "handshake/extra-fields",
    group: "handshake",
    rule: "Extra fields of the range are ignored.",
    async run(monitor) {
      const range =
        '{"next":{"year":[1]},"max":1,"capabilities":["ScaleRequest"],"min":1,"vm":null}';
      const { reply } = await monitor.shake(range);
      demand(reply.json?.version === 1, `the reply is ${clip(reply.text)}`);
    },
  },
  {
    id: "handshake/features",
    group: "handshake",
    rule: "Only features that both sides named are used; unknown ones are ignored.",
    async run(monitor) {
      for (const offered of [[], ["size-report"], ["next-year", "size-report"], ["next-year"]]) {
        const range = JSON.stringify({ min: 1, max: 2, features: offered });
        const { reply } = await monitor.shake(range);
        demand(typeof reply.json?.version === "number", `${range} got ${clip(reply.text)}`);
        const named = reply.json.features ?? [];
        const isShared =
          Array.isArray(named) && named.every((name) => offered.includes(name as string));
        demand(isShared, `${range} got features that it did not offer: ${clip(reply.text)}`);
      }
    },
  },
  {
    id: "handshake/identity",
    group: "handshake",
    rule: "From version 2 the reply names the machine: vm is its SMBIOS UUID in lower case, or mem in its place; boot is its boot_id. It is the same on every connection.",
    async run(monitor) {
      const { reply } = await monitor.shake(RANGE_V2);
      if (reply.json?.version === 1) throw new NotApplicable("this monitor speaks version 1 only");
      const { vm, boot, mem } = reply.json ?? {};
      if (vm === undefined) demand(isBytes(mem), `neither vm nor mem: ${clip(reply.text)}`);
      else demand(isUuid(vm), `vm is no UUID: ${clip(reply.text)}`);
      demand(boot === undefined || isUuid(boot), `boot is no UUID: ${clip(reply.text)}`);
      const { reply: again } = await monitor.shake(RANGE_V2);
      const isSame = again.json?.vm === vm && again.json?.boot === boot;
      demand(isSame, `another machine the second time: ${clip(again.text)}`);
    },
  },
  refusal("handshake/no-overlap", {
    rule: "Ranges that do not overlap are answered with an error; then it closes.",
    ranges: ['{"min":0,"max":0}'],
  }),
  refusal("handshake/min-above-max", {
    rule: "A range whose min is above its max is answered with an error; then it closes.",
    ranges: ['{"min":1,"max":0}'],
  }),
  refusal("handshake/not-integers", {
    rule: "Versions are plain integers: a range of anything else is answered with an error; then it closes.",
    ranges: [
      '{"min":"1","max":"1"}',
      '{"min":"v1.0","max":"v1.0"}',
      '{"min":0.5,"max":1.5}',
      '{"min":null,"max":1}',
      '{"min":-1,"max":1}',
      '{"min":1,"max":true}',
    ],
  }),
  refusal("handshake/no-range", {
    rule: "A first frame that is no range is answered with an error; then it closes.",
    ranges: ["{}", '{"min":1}', '{"max":1}', "[]", "not JSON", '{"min":1,', '"1"'],
  }),
  {
    ...refusal("handshake/above-ours", {
      rule: "A range above all versions that it knows is answered with an error; then it closes.",
      ranges: ['{"min":200,"max":255}', '{"min":200,"max":199}'],
    }),
    isDangerous: true,
  },
];

/** Each of these ranges is refused, and the monitor is still there afterwards. */
function refusal(
  id: string,
  { rule, ranges }: Readonly<{ rule: string; ranges: readonly string[] }>,
): Check<MonitorSubject> {
  return {
    id,
    group: "handshake",
    rule,
    async run(monitor) {
      for (const range of ranges) {
        const { wire, reply } = await monitor.shake(range);
        const isError = typeof reply.json?.error === "string" && !("version" in reply.json);
        demand(isError, `${range} got ${clip(reply.text)}`);
        await wire.closing(monitor.within(CLOSES_WITHIN_MS));
      }
      await (await monitor.agent(1)).isHeard();
    },
  };
}

/** NaN when it refused. */
async function agreedOn(monitor: MonitorSubject, min: number, max: number): Promise<number> {
  const { wire, reply } = await monitor.shake(JSON.stringify({ min, max }));
  await wire.hangUp();
  return Number(reply.json?.version);
}

function isUuid(value: unknown): boolean {
  return typeof value === "string" && UUID.test(value) && /[1-9a-f]/.test(value);
}

function isBytes(value: unknown): boolean {
  return Number.isSafeInteger(value) && Number(value) > 0;
}
