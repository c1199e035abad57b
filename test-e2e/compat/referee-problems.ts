// What an outside watcher finds in a recorded conversation.
import { Referee, sideOf } from "@selfscale/referee";
import { type Conversation } from "./conversations.ts";

/** Recorded under emulation on busy cores: what is due may be seen this late. */
const SLACK_MS = 5_000;

/** Rules that were broken, by a side that knows them. */
export function refereeProblems({
  moments,
  recordedBy,
  isWithAFool,
}: Conversation): readonly string[] {
  const referee = new Referee({ slackMs: SLACK_MS });
  for (const moment of moments) {
    if (moment.kind === "frame") referee.hear(moment);
    if (moment.kind === "closed") referee.end(moment.atMs);
  }
  return referee.violations
    .filter(({ rule }) => !isWithAFool || sideOf(rule) === recordedBy)
    .map(({ rule, atMs, why }) => `${rule} at ${Math.round(atMs)} ms: ${why}`);
}
