// The messages of version 1: requests and their replies, and what the monitor says on its own.
import { clip, demand, NotApplicable, type Check } from "../check.ts";
import { type MonitorSubject } from "../monitor-subject.ts";
import { type Frame } from "../wire.ts";
import { GRANT, HUGE_MEM, SHRINK } from "./sizes.ts";

const TYPES = [
  "HealthCheck",
  "UpscaleConfirmation",
  "DownscaleResult",
  "UpscaleRequest",
  "InvalidMessage",
  "InternalError",
];
/** The largest even id that every peer carries exactly. */
const LARGE_ID = Number.MAX_SAFE_INTEGER - 1;
/** No UpscaleRequest for 1 s after the handshake, less what the kit's clock may be late by. */
const EARLY_MS = 700;
/** One per second, less what a frame may be late. */
const UPSCALE_REQUEST_EVERY_MS = 700;
const WATCHED_MS = 3_200;

export const version1Checks: readonly Check<MonitorSubject>[] = [
  {
    id: "v1/health-check",
    group: "version 1",
    rule: "HealthCheck is answered with a HealthCheck of the same id, and no other field.",
    async run(monitor) {
      const agent = await monitor.agent(1);
      const frame = await agent.ask("HealthCheck", {}, "HealthCheck");
      hasFields(frame, ["type", "id"]);
    },
  },
  {
    id: "v1/upscale-notification",
    group: "version 1",
    rule: "UpscaleNotification is answered with an UpscaleConfirmation of the same id, and no other field.",
    async run(monitor) {
      const agent = await monitor.agent(1);
      const frame = await agent.ask(
        "UpscaleNotification",
        { granted: GRANT },
        "UpscaleConfirmation",
      );
      hasFields(frame, ["type", "id"]);
    },
  },
  {
    id: "v1/downscale-request",
    group: "version 1",
    rule: "DownscaleRequest is answered with a DownscaleResult of the same id: Ok a boolean, Status a string, and no other field on version 1.",
    async run(monitor) {
      const agent = await monitor.agent(1);
      const frame = await agent.askToShrink(SHRINK);
      hasFields(frame, ["type", "Ok", "Status", "id"]);
      const { Ok, Status } = frame.json ?? {};
      const isRight = typeof Ok === "boolean" && typeof Status === "string";
      demand(isRight, `Ok or Status is of the wrong kind: ${clip(frame.text)}`);
    },
  },
  {
    id: "v1/nothing-to-give-back",
    group: "version 1",
    rule: "A DownscaleRequest above what the VM has is agreed to.",
    async run(monitor) {
      const agent = await monitor.agent(1);
      const { json, text } = await agent.askToShrink({ ...SHRINK, mem: HUGE_MEM });
      demand(json?.Ok === true, `it was refused: ${clip(text)}`);
    },
  },
  {
    id: "v1/flat-envelope",
    group: "version 1",
    rule: "What a monitor sends is flat: type first, id last, no content.",
    async run(monitor) {
      const agent = await monitor.agent(1);
      const replies = [
        await agent.ask("HealthCheck", {}, "HealthCheck"),
        await agent.ask("UpscaleNotification", { granted: GRANT }, "UpscaleConfirmation"),
        await agent.askToShrink(SHRINK),
      ];
      for (const { json, text } of replies) {
        const keys = Object.keys(json ?? {});
        const isFlat = keys[0] === "type" && keys.at(-1) === "id" && !keys.includes("content");
        demand(isFlat, `not flat, from type to id: ${clip(text)}`);
      }
    },
  },
  {
    id: "v1/replies-carry-id",
    group: "version 1",
    rule: "A reply carries the request's id and is of the right kind, also when requests overtake one another.",
    async run(monitor) {
      const agent = await monitor.agent(1);
      await agent.askToShrink(SHRINK); // from now on it can be answered
      const waiting = new Map([
        [agent.tell("HealthCheck"), "HealthCheck"],
        [agent.tell("UpscaleNotification", { granted: GRANT }), "UpscaleConfirmation"],
        [agent.tell("HealthCheck"), "HealthCheck"],
        [agent.tell("DownscaleRequest", { target: SHRINK }), "DownscaleResult"],
        [LARGE_ID, "HealthCheck"],
      ]);
      agent.tellAs(LARGE_ID, "HealthCheck");
      while (waiting.size > 0) {
        const what = `the reply to ${[...waiting.keys()].join(", ")}`;
        const isReply = ({ json }: Frame) => waiting.has(Number(json?.id));
        const { json, text } = await agent.wire.next(what, isReply, monitor.within(5_000));
        const wanted = waiting.get(Number(json?.id)) ?? "";
        demand(json?.type === wanted, `the reply is no ${wanted}: ${clip(text)}`);
        waiting.delete(Number(json.id));
      }
    },
  },
  {
    id: "v1/reply-once",
    group: "version 1",
    rule: "A request is answered once.",
    async run(monitor) {
      const agent = await monitor.agent(1);
      const ids = [
        agent.tell("HealthCheck"),
        agent.tell("UpscaleNotification", { granted: GRANT }),
        agent.tell("DownscaleRequest", { target: SHRINK }),
      ];
      await agent.isHeard();
      for (const id of ids) {
        const replies = agent.wire.frames.filter(({ json }) => json?.id === id);
        demand(replies.length <= 1, `id ${id} was answered ${replies.length} times`);
      }
    },
  },
  {
    id: "v1/cpu-number-forms",
    group: "version 1",
    rule: "cpu is a float number of vCPUs, as deployed agents print it: 0.35000000000000003 and 1e-7 are read.",
    async run(monitor) {
      const agent = await monitor.agent(1);
      for (const cpu of ["0.35000000000000003", "2", "0.25", "1e-7"]) {
        const id = agent.nextId();
        const granted = `{"granted":{"cpu":${cpu},"mem":${GRANT.mem}}}`;
        agent.wire.say(`{"content":${granted},"type":"UpscaleNotification","id":${id}}\n`);
        await agent.reply(id, "UpscaleConfirmation");
      }
    },
  },
  {
    id: "v1/mem-number-forms",
    group: "version 1",
    rule: "mem is read in every form of an integer: 1073741824, 1073741824.0 and 1e9.",
    async run(monitor) {
      const agent = await monitor.agent(1);
      for (const mem of ["1073741824", "1073741824.0", "1e9"]) {
        const id = agent.nextId();
        const granted = `{"granted":{"cpu":1,"mem":${mem}}}`;
        agent.wire.say(`{"content":${granted},"type":"UpscaleNotification","id":${id}}\n`);
        await agent.reply(id, "UpscaleConfirmation");
      }
    },
  },
  {
    id: "v1/duplicate-keys",
    group: "version 1",
    rule: "Of a key that comes twice the last counts.",
    async run(monitor) {
      const agent = await monitor.agent(1);
      const type = '"type":"UpscaleRequest","type":"HealthCheck"';
      agent.wire.say(`{"content":[],"content":{},${type},"id":4,"id":2}\n`);
      await agent.reply(2, "HealthCheck");
    },
  },
  {
    id: "v1/unknown-fields",
    group: "version 1",
    rule: "Unknown fields are ignored at every level.",
    async run(monitor) {
      const agent = await monitor.agent(1);
      const next = { year: [1, null], type: "NextYear", id: 7 };
      const say = (type: string, content: object) => {
        const id = agent.nextId();
        agent.wire.say(`${JSON.stringify({ next, content, type, id, Ok: next })}\n`);
        return id;
      };
      await agent.reply(say("HealthCheck", { next }), "HealthCheck");
      const granted = { ...GRANT, next };
      await agent.reply(say("UpscaleNotification", { granted, next }), "UpscaleConfirmation");
      const isMistake = agent.wire.frames.some(({ json }) => json?.type === "InvalidMessage");
      demand(!isMistake, "it called a frame with unknown fields invalid");
    },
  },
  {
    id: "v1/no-early-request",
    group: "version 1",
    rule: "No UpscaleRequest before the agent's first frame after the handshake, or 1 s: deployed agents panic on it.",
    async run(monitor) {
      const { wire } = await monitor.agent(1);
      const isRequest = ({ json }: Frame) => json?.type === "UpscaleRequest";
      await wire.never("an UpscaleRequest", isRequest, EARLY_MS);
    },
  },
  {
    id: "v1/upscale-request",
    group: "version 1",
    rule: "UpscaleRequest has a type and an odd, rising id, and comes at most once per second.",
    async run(monitor) {
      const agent = await monitor.agent(1);
      await agent.isHeard();
      await agent.wire.pause(WATCHED_MS);
      const requests = agent.wire.frames.filter(({ json }) => json?.type === "UpscaleRequest");
      for (const [index, frame] of requests.entries()) {
        hasFields(frame, ["type", "id"]);
        const id = Number(frame.json?.id);
        demand(id % 2 === 1, `its id is even: ${clip(frame.text)}`);
        const before = requests[index - 1];
        if (before === undefined) continue;
        demand(id > Number(before.json?.id), `its id does not rise: ${clip(frame.text)}`);
        const pauseMs = Math.round(frame.atMs - before.atMs);
        demand(pauseMs >= UPSCALE_REQUEST_EVERY_MS, `two of them within ${pauseMs} ms`);
      }
      if (requests.length < 2) throw new NotApplicable("it has no need of more now");
    },
  },
  {
    id: "v1/nothing-newer",
    group: "version 1",
    rule: "On version 1 nothing comes that version 1 lacks, but for a single ScaleRequest, which is not repeated after InvalidMessage.",
    async run(monitor) {
      const agent = await monitor.agent(1);
      let probes = 0;
      agent.wire.onFrame(({ json }) => {
        if (json?.type !== "ScaleRequest") return;
        probes++;
        const error = 'Received message of unknown type: "ScaleRequest"';
        agent.tellAs(Number(json.id), "InvalidMessage", { error });
      });
      await agent.isHeard();
      await agent.ask("UpscaleNotification", { granted: GRANT }, "UpscaleConfirmation");
      await agent.wire.pause(WATCHED_MS);
      demand(probes <= 1, `${probes} ScaleRequests, although the first got InvalidMessage`);
      const isNewer = ({ json }: Frame) => !TYPES.includes(String(json?.type));
      const newer = agent.wire.frames
        .slice(1) // after the handshake reply
        .find((frame) => isNewer(frame) && frame.json?.type !== "ScaleRequest");
      demand(newer === undefined, `version 1 has no such message: ${clip(newer?.text ?? "")}`);
    },
  },
];

function hasFields({ json, text }: Frame, fields: readonly string[]): void {
  const keys = Object.keys(json ?? {});
  const isRight = [...keys].sort().join() === [...fields].sort().join();
  demand(isRight, `it has other fields than ${fields.join(", ")}: ${clip(text)}`);
}
