// What somebody sees who types a command: in the guest as root, or on the node.
import { execFile } from "node:child_process";
import { type Guest } from "../harness/guest.ts";

/** In an emulated guest a table of some size takes a minute. */
const PATIENCE = { timeoutMs: 300_000 };
const ENV =
  "export PATH=$PATH:/usr/local/bin PGHOST=/run/postgresql PSQLRC=/srv/psqlrc HOME=/root; cd /srv;";

export class Terminal {
  readonly #guest: Guest;
  /** Words of this machine, and what stands for them on the page. */
  readonly #names: readonly (readonly [string, string])[];

  constructor(guest: Guest, names: readonly (readonly [string, string])[] = []) {
    this.#guest = guest;
    this.#names = names;
  }

  /** Types one command after the other, in the guest; gives the lines on its screen. */
  async guest(...commands: readonly string[]): Promise<string> {
    const shown: string[] = [];
    for (const command of commands) {
      const { stdout } = await this.#guest.exec(`exec 2>&1; ${ENV} ${command}`, PATIENCE);
      shown.push(`# ${command}`, ...(stdout.trim() === "" ? [] : [stdout.trimEnd()]));
    }
    return shown.join("\n");
  }

  /** The same on the node; `argv` is what is really run. */
  async node(command: string, argv: readonly string[]): Promise<string> {
    const [file = "", ...args] = argv;
    const output = await new Promise<string>((resolve) => {
      execFile(file, args, (_error, stdout, stderr) => resolve(`${stdout}${stderr}`));
    });
    return this.#renamed(`node$ ${command}\n${output.trimEnd()}`);
  }

  /** In the guest, unseen: what a walk needs and a reader does not. Throws when it fails. */
  async quietly(command: string): Promise<string> {
    const { code, stdout, stderr } = await this.#guest.exec(`${ENV} ${command}`, PATIENCE);
    if (code !== 0) throw new Error(`${command} ended with ${code}: ${stdout}${stderr}`);
    return stdout;
  }

  #renamed(text: string): string {
    return this.#names.reduce((all, [from, to]) => all.replaceAll(from, to), text);
  }
}
