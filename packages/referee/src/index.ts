// A watcher of conversations between agent and monitor: pure, and independent of both.
export { Referee } from "./referee.ts";
export { RULES, sideOf, type RuleId, type Side } from "./rules.ts";
export { type Said, type Violation } from "./talk.ts";
