// One guest in which stories are played, and the recordings of both sides.
import { mkdtempSync, rmSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AGENT_BUNDLE, AgentProcess } from "../../harness/agent-process.ts";
import { type Guest } from "../../harness/guest.ts";
import { entryFor } from "../../harness/stack.ts";
import { Truth } from "../../harness/truth.ts";
import { until } from "../../harness/until.ts";

/** In the guest. */
const TALK = "/run/selfscale/talk.jsonl";
const CONFIG = "/run/selfscale/record.yaml";
const BASE_BYTES = 512 * 1024 ** 2;
const BACK_WITHIN_MS = 150_000;

export type Story = Readonly<{
  name: string;
  about: string;
  play: (studio: Studio) => Promise<void>;
}>;

export type AgentSetup = Readonly<{
  /** Changes to the VM's entry. */
  vm?: Readonly<Record<string, unknown>>;
  /** Changes to the whole configuration. */
  agent?: Readonly<Record<string, unknown>>;
}>;

export class Studio {
  readonly guest: Guest;
  readonly #folder: string;
  readonly #own = mkdtempSync(join(tmpdir(), "selfscale-record-"));
  #agent: AgentProcess | null = null;
  #takes = 0;

  constructor(guest: Guest, folder: string) {
    this.guest = guest;
    this.#folder = folder;
  }

  get agent(): AgentProcess {
    if (this.#agent === null) throw new Error("no agent runs");
    return this.#agent;
  }

  /** A new monitor in the guest, which records. `yaml`: settings that the command line lacks. */
  async monitor(args: readonly string[], yaml = ""): Promise<void> {
    const { code } = await this.guest.exec(`rm -f ${TALK}*; cat >${CONFIG} <<'END'\n${yaml}\nEND`);
    if (code !== 0) throw new Error("the guest's monitor could not be configured");
    const always = ["--preset", "demo", "--config", CONFIG, "--record", TALK];
    await this.guest.restartMonitor([...always, ...args]);
  }

  /** What the monitor has written down until now becomes a fixture. */
  async keepMonitors(name: string): Promise<void> {
    const { stdout } = await this.guest.exec(`cat ${TALK}`);
    await this.#keep(`${name}.monitor`, stdout);
  }

  /** Plays with an agent that records; what it wrote becomes a fixture. */
  async withAgent(name: string, setup: AgentSetup, play: () => Promise<void>): Promise<void> {
    const file = join(this.#own, `${(this.#takes += 1)}.jsonl`);
    const config = {
      node: { cpu: 8, mem: "8Gi" },
      vms: [{ ...entryFor(this.guest), ...setup.vm }],
      ...setup.agent,
    };
    this.#agent = await AgentProcess.start(config, AGENT_BUNDLE, ["--record", file]);
    try {
      await play();
    } catch (error) {
      console.error(`what was said until then: ${file}`);
      throw error;
    }
    await this.#agent.stop();
    this.#agent = null;
    await this.#keep(`${name}.agent`, await readFile(file, "utf8"));
  }

  /** The link is up in this version, and it is known who decides. */
  async untilMode(mode: string): Promise<void> {
    await until(`the VM is ${mode}`, async () => {
      const vm = await this.agent.vm(this.guest.name);
      return vm.mode === mode && vm.link.state === "up";
    });
  }

  async untilReason(reason: string): Promise<void> {
    await until(`the agent says ${reason}`, async () => {
      return (await this.agent.log()).some((line) => line.reason === reason);
    });
  }

  /** The VM has its smallest size again, in QEMU's own words. */
  async untilSmall(): Promise<void> {
    const truth = await Truth.open(this.guest.truthPath);
    try {
      await until(
        "the VM has its smallest size",
        async () => {
          const { memBytes, requestedBytes } = await truth.size();
          return memBytes === BASE_BYTES && requestedBytes === BASE_BYTES;
        },
        { withinMs: BACK_WITHIN_MS },
      );
    } finally {
      truth.close();
    }
  }

  /** All went well: what was recorded is kept elsewhere. */
  done(): void {
    rmSync(this.#own, { recursive: true });
  }

  async #keep(name: string, text: string): Promise<void> {
    const kept = join(this.#folder, `${name}.jsonl`);
    await writeFile(kept, text);
    console.log(`  kept ${kept}`);
  }
}
