// The token: shown to this VM's monitor, and to nobody else.
import { createServer, type Server } from "node:http";
import { type AddressInfo } from "node:net";
import { type AgentSubject } from "../agent-subject.ts";
import { demand, NotApplicable, type Check } from "../check.ts";

const REDIRECTS = ["302 Found", "307 Temporary Redirect"];

export const securityChecks: readonly Check<AgentSubject>[] = [
  {
    id: "security/token",
    group: "security",
    rule: "With authentication on, the agent shows its token in the upgrade's Authorization header.",
    async run(agent) {
      const { token } = agent.place;
      if (token === null) throw new NotApplicable("there is no token: --token names its file");
      if (agent.upgrades.length === 0) await agent.dialled();
      const shown = agent.upgrades.at(-1)?.headers.authorization;
      demand(shown !== undefined, "it shows none");
      demand(shown === `Bearer ${token}`, "it shows another one, or in another form");
    },
  },
  {
    id: "security/token-stays",
    group: "security",
    rule: "The agent sends its token to no address but that VM's: a redirect is not followed.",
    async run(agent) {
      if (agent.place.token === null)
        throw new NotApplicable("there is no token: --token names its file");
      let visits = 0;
      const elsewhere = createServer(() => (visits += 1)).on("upgrade", (_request, socket) => {
        visits += 1;
        socket.destroy();
      });
      const port = await listening(elsewhere);
      try {
        for (const status of REDIRECTS) {
          await agent.refuses(status, [`Location: ws://127.0.0.1:${port}/monitor`]);
        }
        await agent.dialled();
        demand(visits === 0, "it followed a redirect to another address");
      } finally {
        elsewhere.closeAllConnections();
        await new Promise((resolve) => elsewhere.close(resolve));
      }
    },
  },
];

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}
