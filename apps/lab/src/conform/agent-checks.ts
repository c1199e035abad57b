// Every check of an agent, in the order in which they run.
import { handshakeChecks } from "./agent/handshake.ts";
import { type AgentSubject } from "./agent-subject.ts";
import { type Check } from "./check.ts";

export const AGENT_CHECKS: readonly Check<AgentSubject>[] = [...handshakeChecks];
