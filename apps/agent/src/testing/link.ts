// One link to a monitor, with all that it said.
import { type VmEvent } from "@selfscale/core";
import { onTestFinished } from "vitest";
import { MonitorLink, type LinkOptions } from "../shell/monitor-link.ts";
import { SHELL_TIMERS } from "../shell/timers.ts";

export type LinkRig = Readonly<{
  link: MonitorLink;
  events: VmEvent[];
  problems: string[];
  counts: Map<string, number>;
  texts: () => string[];
}>;

/** A link that is dialled and lives until the test ends. */
export function startLink(url: string, overrides: Partial<LinkOptions> = {}): LinkRig {
  const events: VmEvent[] = [];
  const problems: string[] = [];
  const counts = new Map<string, number>();
  const link = new MonitorLink({
    url,
    tokenFile: null,
    tls: null,
    timers: { ...SHELL_TIMERS, reconnectMinMs: 1, reconnectMaxMs: 20 },
    now: () => performance.now(),
    onEvent: (event) => events.push(event),
    onDialFailed: (problem) => problems.push(problem),
    count: (what) => counts.set(what, (counts.get(what) ?? 0) + 1),
    ...overrides,
  });
  onTestFinished(() => link.stop());
  link.start();
  const texts = () =>
    events.flatMap((event) => (event.kind === "frame-received" ? [event.text] : []));
  return { link, events, problems, counts, texts };
}
