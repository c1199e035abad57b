// Every check of a monitor, in the order in which they run: those that need their time come last.
import { type Check } from "./check.ts";
import { consentChecks } from "./monitor/consent.ts";
import { handshakeChecks } from "./monitor/handshake.ts";
import { nonsenseChecks } from "./monitor/nonsense.ts";
import { securityChecks } from "./monitor/security.ts";
import { slowTransportChecks } from "./monitor/transport-slow.ts";
import { transportChecks } from "./monitor/transport.ts";
import { slowVersion2Checks } from "./monitor/version-2-slow.ts";
import { version1Checks } from "./monitor/version-1.ts";
import { version2Checks } from "./monitor/version-2.ts";
import { type MonitorSubject } from "./monitor-subject.ts";
import { alwaysChecks } from "./watch.ts";

/** Those that show their rule within seconds. */
export const QUICK_MONITOR_CHECKS: readonly Check<MonitorSubject>[] = [
  ...transportChecks,
  ...handshakeChecks,
  ...securityChecks,
  ...version1Checks,
  ...nonsenseChecks,
  ...version2Checks,
  ...consentChecks,
];

/** Those that wait for what may only happen after a while. Takeovers last: they leave a bucket empty. */
export const SLOW_MONITOR_CHECKS: readonly Check<MonitorSubject>[] = [
  ...slowVersion2Checks,
  ...slowTransportChecks,
];

export const MONITOR_CHECKS: readonly Check<MonitorSubject>[] = [
  ...QUICK_MONITOR_CHECKS,
  ...SLOW_MONITOR_CHECKS,
  ...alwaysChecks("monitor"),
];
