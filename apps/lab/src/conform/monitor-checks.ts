// Every check of a monitor, in the order in which they run.
import { type Check } from "./check.ts";
import { handshakeChecks } from "./monitor/handshake.ts";
import { type MonitorSubject } from "./monitor-subject.ts";

export const MONITOR_CHECKS: readonly Check<MonitorSubject>[] = [...handshakeChecks];
