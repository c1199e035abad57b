// apt with the guest's sources and lists of its own: what the machine runs, holds or pins does not matter, nor does it change.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { debianSources } from "./apt-sources.ts";
import { run } from "./run.ts";

/** Keeps its state in this folder; the machine's apt.conf, where a proxy may be named, still holds. */
export class PrivateApt {
  readonly #options: readonly string[];

  private constructor(options: readonly string[]) {
    this.#options = options;
  }

  /** Fetches the lists. */
  static async open(dir: string, sources = debianSources()): Promise<PrivateApt> {
    const place = (name: string) => join(dir, name);
    for (const name of ["lists/partial", "cache/archives/partial"]) {
      mkdirSync(place(name), { recursive: true });
    }
    writeFileSync(place("sources.list"), `${sources.join("\n")}\n`);
    // Nothing is installed here.
    writeFileSync(place("status"), "");
    const settings = {
      "Dir::Etc::sourcelist": place("sources.list"),
      "Dir::Etc::sourceparts": "/dev/null",
      "Dir::Etc::preferences": "/dev/null",
      "Dir::Etc::preferencesparts": "/dev/null",
      "Dir::State::lists": place("lists"),
      "Dir::State::status": place("status"),
      "Dir::Cache": place("cache"),
      // Its user could not write to our folder.
      "APT::Sandbox::User": "root",
    };
    const apt = new PrivateApt(
      Object.entries(settings).flatMap(([name, value]) => ["-o", `${name}=${value}`]),
    );
    // Without the second option a list that could not be fetched is a warning.
    await run("apt-get", [...apt.#options, "-q", "-o", "APT::Update::Error-Mode=any", "update"]);
    return apt;
  }

  /** The real package behind one that only points to the newest. */
  async firstDependency(name: string, pattern: RegExp): Promise<string> {
    const depends = await run("apt-cache", [...this.#options, "depends", "--important", name]);
    for (const [, package_ = ""] of depends.matchAll(/Depends: (\S+)/g)) {
      if (pattern.test(package_)) return package_;
    }
    throw new Error(`apt knows no package behind ${name}`);
  }

  /** Leaves the package's file in this folder. */
  async download(name: string, into: string): Promise<void> {
    await run("apt-get", [...this.#options, "-q", "download", name], { cwd: into });
  }
}
