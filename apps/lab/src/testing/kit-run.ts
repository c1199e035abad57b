// The kit against a subject of a test's own, in this process: the port first, then the agent, then all checks.
import { PROVOKED_AGENT_CHECKS } from "../conform/agent-checks.ts";
import { AgentSubject, type AgentPlace } from "../conform/agent-subject.ts";
import { type Check } from "../conform/check.ts";
import { profileNamed } from "../conform/profile.ts";
import { runChecks, type Result } from "../conform/run.ts";
import { type ProfileName } from "../cli.ts";

export type KitSetup = Readonly<{
  place: Omit<AgentPlace, "host" | "port">;
  profile?: ProfileName;
  checks?: readonly Check<AgentSubject>[];
  /** Starts the agent; what is returned ends it. */
  start: (url: string) => Promise<() => unknown> | (() => unknown);
}>;

export async function runKit(setup: KitSetup): Promise<readonly Result[]> {
  const { place, profile, checks = PROVOKED_AGENT_CHECKS, start } = setup;
  const subject = new AgentSubject({ ...place, host: "127.0.0.1", port: 0 });
  const port = await subject.listen();
  const stop = await start(`ws://127.0.0.1:${port}/monitor`);
  try {
    return await runChecks(subject, checks, {
      only: null,
      mayBeDangerous: (profile ?? "selfscale") === "selfscale",
      profile: profileNamed(profile ?? "selfscale", "agent"),
      onResult: () => undefined,
    });
  } finally {
    await stop();
    await subject.stop();
  }
}

/** Ids with this verdict, with the reason where there is one. */
export function withVerdict(
  results: readonly Result[],
  kind: Result["verdict"]["kind"],
): Readonly<Record<string, string>> {
  const chosen = results.filter(({ verdict }) => verdict.kind === kind);
  return Object.fromEntries(
    chosen.map(({ id, verdict }) => [id, "why" in verdict ? verdict.why : ""]),
  );
}
