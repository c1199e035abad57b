import { isLoopback } from "./loopback.ts";
import { type VmConfig } from "./load.ts";

type Dialled = Pick<VmConfig, "monitorUrl" | "tokenFile"> & {
  spec: Pick<VmConfig["spec"], "name">;
};

/** VMs whose token leaves this machine unencrypted: whoever reads the path can be their agent. */
export function exposedTokens(vms: readonly Dialled[]): readonly string[] {
  return vms
    .filter(({ monitorUrl, tokenFile }) => {
      const { protocol, hostname } = new URL(monitorUrl);
      return tokenFile !== null && protocol === "ws:" && !isLoopback(hostname);
    })
    .map(({ spec }) => spec.name);
}
