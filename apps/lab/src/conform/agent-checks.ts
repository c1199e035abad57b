// Every check of an agent, in the order in which they run. An agent waits ever longer after connections that lived less
// than 10 s: so a few short ones come after a long one each time.
import { envelopeChecks } from "./agent/envelope.ts";
import { growthChecks, upscaleHonoured } from "./agent/growth.ts";
import { handshakeChecks, noReply } from "./agent/handshake.ts";
import { identityChecks } from "./agent/identity.ts";
import { reportChecks, reportPeriod } from "./agent/reports.ts";
import { scaleChecks } from "./agent/scale.ts";
import { securityChecks } from "./agent/security.ts";
import { shrinkChecks, silentMonitor, slowShrinkChecks } from "./agent/shrink.ts";
import { oneConnection, shortTransportChecks, transportChecks } from "./agent/transport.ts";
import { deadLink, healthChecks, shortVersion1Checks, version1Checks } from "./agent/version-1.ts";
import { type AgentSubject } from "./agent-subject.ts";
import { type Check } from "./check.ts";
import { alwaysChecks } from "./watch.ts";

/** Those that provoke what they judge. */
export const PROVOKED_AGENT_CHECKS: readonly Check<AgentSubject>[] = [
  ...handshakeChecks,
  ...version1Checks,
  ...healthChecks,
  ...shortVersion1Checks,
  ...shortTransportChecks,
  deadLink,
  ...transportChecks,
  ...reportChecks,
  ...scaleChecks,
  ...identityChecks,
  ...growthChecks,
  ...shrinkChecks,
  ...slowShrinkChecks,
  silentMonitor,
  ...securityChecks,
  noReply,
  upscaleHonoured,
  oneConnection,
  reportPeriod,
  ...envelopeChecks,
];

export const AGENT_CHECKS: readonly Check<AgentSubject>[] = [
  ...PROVOKED_AGENT_CHECKS,
  ...alwaysChecks("agent"),
];
