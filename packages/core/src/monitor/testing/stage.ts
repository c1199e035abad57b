// The commands of the monitor's scenario files, carried out on the small guest of guest.ts.
import { PRESETS } from "../../policy/presets.ts";
import { json, numbers, wordsOf, type Play } from "../../testing/transcript.ts";
import { monitorStatus } from "../status.ts";
import { monitorWakeAt } from "../step.ts";
import { type MonitorEvent } from "../types.ts";
import { MIB, TestGuest, size } from "./guest.ts";

type Command = (rest: string) => void;
type Config = ConstructorParameters<typeof TestGuest>[0];

const DEMO = { policy: PRESETS.demo, rMaxBytesPerSec: 200 * MIB, tReactStartMs: 400 };

/** `guest {config}` begins a scenario; what is not said is the demo's. */
export function monitorStage(): Play {
  let guest = new TestGuest();
  let startedAt = 0;
  let heard: string[] = [];
  const time = (at: number): string => `+${at - startedAt}`;
  const begin: Command = (rest) => {
    guest = new TestGuest({ ...DEMO, ...json<Config>(rest) });
    startedAt = guest.now;
    guest.watch = (action) => heard.push(`${time(guest.now)} ${wordsOf(action)}`);
  };
  const status: Command = () => {
    const wakeAt = monitorWakeAt(guest.state);
    heard.push(JSON.stringify(monitorStatus(guest.state)));
    heard.push(`wakes ${wakeAt === null ? "never" : time(wakeAt)}`);
  };
  return (name, rest) => {
    heard = [];
    const act = { guest: begin, status }[name] ?? guestCommands(guest)[name];
    if (act === undefined) throw new Error(`no such command: ${name}`);
    act(rest);
    return heard;
  };
}

function guestCommands(guest: TestGuest): Readonly<Record<string, Command>> {
  return {
    run: (rest) => guest.run(Number(rest)),
    connect: (rest) => guest.connect(Number(rest)),
    disconnect: () => {
      const link = guest.link?.number ?? 0;
      guest.link = null;
      guest.feed({ kind: "link-closed", link, problem: "socket closed" });
    },
    /** Fields of TestGuest: what the guest does from now on. */
    set: (rest) => Object.assign(guest, json(rest)),
    /** MiB in use that can't be reclaimed. */
    use: (rest) => (guest.usedBytes = Number(rest) * MIB),
    /** `allocate MIB-PER-SECOND UNTIL-MIB`. */
    allocate: (rest) => {
      const [rate, until] = numbers(rest);
      guest.allocatingBytesPerSec = rate * MIB;
      guest.allocatingUntilBytes = until * MIB;
    },
    ask: (rest) => {
      const [cpu, mib] = numbers(rest);
      guest.ask(size(cpu, mib));
    },
    /** `cache LIMIT-MIB MAX-MIB`: PostgreSQL has such a file cache, and says so. `cache none`: it has none, or is gone. */
    cache: (rest) => {
      const [limit, max] = numbers(rest);
      guest.fileCache = rest === "none" ? null : { limitBytes: limit * MIB, maxBytes: max * MIB };
      guest.lookAtCache();
    },
    report: (rest) => guest.report(json(rest || "{}")),
    hear: (text) => {
      guest.feed({ kind: "frame-received", link: guest.link?.number ?? 0, text });
    },
    /** `reserve ID MIB VCPU {more}`: it waits 10 s and is held until it is released, unless `more` says otherwise. Times from now. */
    reserve: (rest) => {
      const [id = "", mib, vcpu, ...more] = rest.split(" ");
      guest.reserve(id, Number(mib), Number(vcpu), json(more.join(" ") || "{}"));
    },
    release: (id) => guest.feed({ kind: "reservation-released", id }),
    event: (rest) => guest.feed(json<MonitorEvent>(rest)),
  };
}
