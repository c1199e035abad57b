// Who may connect, when the monitor asks for a token.
import { demand, NotApplicable, type Check } from "../check.ts";
import { type MonitorSubject } from "../monitor-subject.ts";

const UNAUTHORIZED = 401;

export const securityChecks: readonly Check<MonitorSubject>[] = [
  {
    id: "security/token-asked",
    group: "security",
    rule: "With authentication on, a connection that does not show the token gets 401.",
    async run(monitor) {
      for (const proof of wrongProofs(monitor)) await refused(monitor, proof);
    },
  },
  {
    id: "security/token-admits",
    group: "security",
    rule: "With authentication on, a connection that shows the token is served.",
    async run(monitor) {
      tokenOf(monitor);
      await (await monitor.agent(1)).isHeard();
    },
  },
  {
    id: "security/refused-displaces-nobody",
    group: "security",
    rule: "A refused connection displaces nobody and hears nothing.",
    async run(monitor) {
      const proofs = wrongProofs(monitor);
      const agent = await monitor.agent(1);
      for (const proof of proofs) {
        await refused(monitor, proof);
        await agent.isHeard();
      }
    },
  },
];

function tokenOf({ place }: MonitorSubject): string {
  if (place.token === null) throw new NotApplicable("no --token was given");
  return place.token;
}

/** Headers that prove nothing. */
function wrongProofs(monitor: MonitorSubject): readonly Readonly<Record<string, string>>[] {
  const token = tokenOf(monitor);
  return [
    {},
    { Authorization: "Bearer" },
    { Authorization: "Bearer wrong" },
    { Authorization: `Bearer ${token}x` },
    { Authorization: `Bearer ${token.slice(0, -1)}` },
    { Authorization: `Basic ${token}` },
    { Authorization: token },
  ];
}

async function refused(
  monitor: MonitorSubject,
  proof: Readonly<Record<string, string>>,
): Promise<void> {
  const { status } = await monitor.knock({}, undefined, proof);
  // What was shown may be all but the token, so it is not told.
  demand(status === UNAUTHORIZED, `a wrong or missing token is answered with ${status}`);
}
