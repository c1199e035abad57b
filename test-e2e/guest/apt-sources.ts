// Where this machine itself gets Debian from. The image is built from the same place: no address is written here.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export const SUITE = "bookworm";
const DEBIAN_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";
/** Debian's suites by name and by rank. One place serves them all: on a newer machine it has the guest's too. */
const DEBIAN_SUITE =
  /^(?:bookworm|trixie|forky|sid|(?:old)*stable|testing|unstable)(-updates|-security)?$/;

type Entry = Readonly<{
  types: readonly string[];
  uris: readonly string[];
  suites: readonly string[];
  components: readonly string[];
  /** A path, several, or a whole key; null when apt's trusted keys decide. */
  signedBy: string | null;
}>;

/** The machine's Debian sources as one-line entries for the guest's suite; what others serve beside Debian is left out. */
export function debianSources(aptDir = "/etc/apt"): string[] {
  const entries = readSourceFiles(aptDir).flatMap(({ path, text }) =>
    path.endsWith(".sources") ? readStanzas(text) : readOneLiners(text),
  );
  const lines = debianLines(entries);
  if (!lines.some((line) => line.includes(` ${SUITE} `))) {
    throw new Error(`${aptDir}/sources.list* name no Debian: the guest image can't be built here`);
  }
  return lines;
}

function readSourceFiles(aptDir: string): { path: string; text: string }[] {
  const parts = join(aptDir, "sources.list.d");
  const names = readOrNull(() => readdirSync(parts)) ?? [];
  // apt reads no other endings there.
  const used = names.filter((name) => name.endsWith(".list") || name.endsWith(".sources"));
  const paths = [join(aptDir, "sources.list"), ...used.sort().map((name) => join(parts, name))];
  return paths.flatMap((path) => {
    const text = readOrNull(() => readFileSync(path, "utf8"));
    return text === null ? [] : [{ path, text }];
  });
}

/** deb822: stanzas of `Field: value`, continued on indented lines. */
export function readStanzas(text: string): Entry[] {
  const withoutComments = text.replace(/^#.*\n?/gm, "");
  return withoutComments.split(/\n\s*\n/).flatMap((stanza) => {
    const fields = new Map<string, string>();
    for (const field of stanza.split(/\n(?=\S)/)) {
      const [, name, value] = /^([\w-]+):\s*([\s\S]*)$/.exec(field.trim()) ?? [];
      if (name !== undefined) fields.set(name.toLowerCase(), (value ?? "").trim());
    }
    const list = (name: string) => fields.get(name)?.split(/\s+/) ?? [];
    if (fields.get("enabled")?.toLowerCase() === "no") return [];
    return {
      types: list("types"),
      uris: list("uris"),
      suites: list("suites"),
      components: list("components"),
      signedBy: fields.get("signed-by") ?? null,
    };
  });
}

/** `deb [options] uri suite component...` */
export function readOneLiners(text: string): Entry[] {
  return text.split("\n").flatMap((line) => {
    const match = /^\s*(deb)\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+([^#]+)/.exec(line);
    const [, type, options, uri, suite, components] = match ?? [];
    if (type === undefined || uri === undefined || suite === undefined) return [];
    return {
      types: [type],
      uris: [uri],
      suites: [suite],
      components: (components ?? "").trim().split(/\s+/),
      signedBy: /signed-by=(\S+)/.exec(options ?? "")?.[1] ?? null,
    };
  });
}

/** What is Debian's own, by suite, component and, where it is said, by key: for the guest's suite. */
export function debianLines(entries: readonly Entry[]): string[] {
  const lines = entries.flatMap(({ types, uris, suites, components, signedBy }) => {
    const isDebian = signedBy === null || signedBy.includes("debian-archive-");
    if (!isDebian || !types.includes("deb") || !components.includes("main")) return [];
    return suites
      .flatMap((suite) => guestSuite(suite) ?? [])
      .flatMap((suite) =>
        uris.map((uri) => `deb [signed-by=${DEBIAN_KEYRING}] ${uri} ${suite} main`),
      );
  });
  // A machine may name two releases.
  return [...new Set(lines)];
}

/** "trixie-security" is "bookworm-security" to the guest; null for what is not Debian's. */
function guestSuite(suite: string): string | null {
  const match = DEBIAN_SUITE.exec(suite);
  return match === null ? null : `${SUITE}${match[1] ?? ""}`;
}

function readOrNull<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}
