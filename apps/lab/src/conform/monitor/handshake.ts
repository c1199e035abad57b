// The first two frames, as a monitor must answer them.
import { demand, type Check } from "../check.ts";
import { RANGE_V1, type MonitorSubject } from "../monitor-subject.ts";

export const handshakeChecks: readonly Check<MonitorSubject>[] = [
  {
    id: "handshake/version-1",
    group: "handshake",
    rule: "A range of 1 to 1 is answered with version 1.",
    async run(monitor) {
      const { reply } = await monitor.shake(RANGE_V1);
      demand(reply.json?.version === 1, `the reply is ${reply.text}`);
    },
  },
];
