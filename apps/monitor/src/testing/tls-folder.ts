import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { type Pair, TestCa } from "@selfscale/test-certificates";
import { type TlsFiles } from "../shell/tls-files.ts";

/** The monitor's TLS files, of two CAs: one for monitors, one for agents. */
export class TlsFolder {
  readonly dir = fs.mkdtempSync(path.join(os.tmpdir(), "selfscale-tls-"));
  readonly files: TlsFiles = {
    cert: path.join(this.dir, "monitor.crt"),
    key: path.join(this.dir, "monitor.key"),
    clientCa: path.join(this.dir, "agents.crt"),
  };
  readonly monitors: TestCa;
  readonly agents: TestCa;

  private constructor(monitors: TestCa, agents: TestCa) {
    this.monitors = monitors;
    this.agents = agents;
  }

  static async make(): Promise<TlsFolder> {
    const folder = new TlsFolder(await TestCa.make("monitors"), await TestCa.make("agents"));
    folder.write(await folder.issueServer(), folder.agents.cert);
    return folder;
  }

  /** As a monitor on loopback has it. */
  issueServer(): Promise<Pair> {
    return this.monitors.issue("vm", { names: ["127.0.0.1", "vm.example"], use: "server" });
  }

  write({ cert, key }: Pair, clientCa: string): void {
    fs.writeFileSync(this.files.cert, cert);
    fs.writeFileSync(this.files.key, key);
    fs.writeFileSync(this.files.clientCa ?? "", clientCa);
  }

  remove(): void {
    fs.rmSync(this.dir, { recursive: true });
  }
}
