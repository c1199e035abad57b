// An agent that does anything, at any time, to the monitor's machine; every deed is data, so that a failing story can be
// made smaller. The book beside it never looks into the machine.
import * as fc from "fast-check";
import { encodeFromAgent, type FromAgent } from "@selfscale/protocol";
import { hostileText } from "../../testing/hostile-text.ts";
import { MONITOR_DEFAULTS } from "../config.ts";
import { initialMonitor, type MonitorState } from "../state.ts";
import { monitorStatus } from "../status.ts";
import { monitorWakeAt, stepMonitor } from "../step.ts";
import { type MonitorEvent } from "../types.ts";
import { hold, MonitorBook } from "./monitor-book.ts";
import { cpuSample, memorySample } from "./samples.ts";

const GIB = 1024 ** 3;
/** Far above what any story of thousands of readings came to. */
const MAX_STATE_CHARS = 40_000;

export type Deed =
  | Readonly<{ kind: "open"; version: 1 | 2 }>
  | Readonly<{ kind: "close"; isCurrent: boolean }>
  | Readonly<{ kind: "text"; text: string; isCurrent: boolean; times: number }>
  | Readonly<{ kind: "say"; message: FromAgent }>
  | Readonly<{ kind: "complain"; isNewest: boolean }>
  | Readonly<{ kind: "sample"; event: MonitorEvent }>
  | Readonly<{ kind: "wait"; ms: number }>;

const id = fc.constantFrom(0, 2, 3, 4, 5, 8, 1_000, Number.MAX_SAFE_INTEGER);
const size = fc.record({
  cpu: fc.constantFrom(1e-7, 0.001, 0.25, 0.5, 1, 2, 4, 1024),
  mem: fc.constantFrom(1, GIB / 2, GIB, 1.5 * GIB, 2 * GIB, 4 * GIB, Number.MAX_SAFE_INTEGER),
});
const resource = fc.record({
  outcome: fc.constantFrom("accepted" as const, "deferred", "refused"),
});

const message: fc.Arbitrary<FromAgent> = fc.oneof(
  id.map((of): FromAgent => ({ type: "HealthCheck", content: {}, id: of })),
  fc.record({
    type: fc.constant("UpscaleNotification" as const),
    content: fc.record({ granted: size }),
    id,
  }),
  fc.record({
    type: fc.constant("DownscaleRequest" as const),
    content: fc.record({ target: size }),
    id,
  }),
  fc.record({
    type: fc.constant("ScaleResponse" as const),
    content: fc.record({
      outcome: fc.constantFrom("accepted" as const, "clamped", "deferred", "refused"),
      resources: fc.record({ cpu: resource, mem: resource }),
      permit: size,
    }),
    id,
  }),
  fc.record({
    type: fc.constant("SizeReport" as const),
    content: fc.record(
      {
        actual: size,
        requested: size,
        permit: size,
        bounds: fc.record({ min: size, max: size }),
        step: size,
        reason: fc.constantFrom("met" as const, "node-full", "no-cpu-quota", "no-memory-device"),
        cpuUsed: fc.constantFrom(0, 0.2, 1e300),
        throttledShare: fc.constantFrom(0, 0.04, 1),
      },
      { requiredKeys: ["actual", "requested", "permit", "bounds", "step"] },
    ),
    id,
  }),
);

const deed: fc.Arbitrary<Deed> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.constantFrom<1 | 2>(1, 2).map((version): Deed => ({ kind: "open", version })),
  },
  { weight: 1, arbitrary: fc.boolean().map((isCurrent): Deed => ({ kind: "close", isCurrent })) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("text" as const),
      text: hostileText("from-agent"),
      isCurrent: fc.constantFrom(true, true, true, false),
      times: fc.constantFrom(1, 1, 1, 1, 3, 30),
    }),
  },
  { weight: 8, arbitrary: message.map((one): Deed => ({ kind: "say", message: one })) },
  { weight: 2, arbitrary: fc.boolean().map((isNewest): Deed => ({ kind: "complain", isNewest })) },
  {
    weight: 4,
    arbitrary: cpuSample.map((sample): Deed => ({
      kind: "sample",
      event: { kind: "cpu-sampled", sample },
    })),
  },
  {
    weight: 4,
    arbitrary: memorySample.map((sample): Deed => ({
      kind: "sample",
      event: { kind: "memory-sampled", sample },
    })),
  },
  {
    weight: 6,
    arbitrary: fc
      .constantFrom(0, 1, 90, 100, 250, 999, 1_000, 2_100, 5_000, 10_500, 21_000, 61_000)
      .map((ms): Deed => ({ kind: "wait", ms })),
  },
);

/** What the monitor is told to do, and what is done to it. */
export const monitorStory = fc.record({
  isProbing: fc.boolean(),
  deeds: fc.array(deed, { minLength: 5, maxLength: 100, size: "max" }),
});

/** The machine in virtual time, with a hostile agent and a guest whose readings are anything. */
export class HostileAgent {
  now = 1_000_000;
  state: MonitorState;
  readonly book: MonitorBook;
  #links = 0;

  constructor(probeScaleRequest: boolean) {
    this.state = initialMonitor({ ...MONITOR_DEFAULTS, probeScaleRequest }, this.now);
    this.book = new MonitorBook(probeScaleRequest);
  }

  do(deed: Deed): void {
    this.#do(deed);
    const chars = JSON.stringify(this.state).length;
    hold(chars < MAX_STATE_CHARS, `the state is bounded: ${chars} characters`);
    const status = JSON.stringify(monitorStatus(this.state, this.now)).length;
    hold(status < MAX_STATE_CHARS, `the status is bounded: ${status} characters`);
  }

  open(version: 1 | 2): void {
    this.#links += 1;
    this.book.opened(this.#links, version, this.now);
    this.#feed({ kind: "link-opened", link: this.#links, version, features: [] });
  }

  /** On the open link, if there is one. */
  say(text: string): void {
    const due = this.book.hear(text, this.now);
    this.#feed({ kind: "frame-received", link: this.#links, text });
    this.book.settle(due);
  }

  sample(event: MonitorEvent): void {
    this.book.sampled(event);
    this.#feed(event);
  }

  /** Time passes; the machine is woken when it asks to be. */
  wait(ms: number): void {
    const end = this.now + ms;
    for (let ticks = 0; ; ticks += 1) {
      hold(ticks <= 50 + ms / 50, "a machine wakes up for a reason");
      const at = monitorWakeAt(this.state);
      if (at === null || at > end) break;
      this.now = Math.max(this.now, at);
      this.#feed({ kind: "tick" });
    }
    this.now = end;
  }

  #do(deed: Deed): void {
    switch (deed.kind) {
      case "open":
        this.open(deed.version);
        return;
      case "close": {
        const link = this.#links - (deed.isCurrent ? 0 : 1);
        if (deed.isCurrent) this.book.closed();
        this.#feed({ kind: "link-closed", link, problem: "socket closed" });
        return;
      }
      case "text":
        for (let n = 0; n < deed.times; n += 1) {
          if (deed.isCurrent) this.say(deed.text);
          else this.#feed({ kind: "frame-received", link: this.#links - 1, text: deed.text });
        }
        return;
      case "say":
        if (!this.book.isOpen) this.open(2);
        this.say(encodeFromAgent(deed.message));
        return;
      case "complain": {
        const to = this.book.askedId(deed.isNewest) ?? 3;
        this.say(encodeFromAgent({ type: "InvalidMessage", content: { error: "?" }, id: to }));
        return;
      }
      case "sample":
        this.sample(deed.event);
        return;
      case "wait":
        this.wait(deed.ms);
        return;
      default:
        return deed satisfies never;
    }
  }

  #feed(event: MonitorEvent): void {
    const [state, actions] = stepMonitor(this.state, event, this.now);
    this.state = state;
    for (const action of actions) this.book.act(action, this.now);
  }
}
