import { expect, test } from "vitest";
import { debianLines, readOneLiners, readStanzas } from "./apt-sources.ts";

const KEY = "signed-by=/usr/share/keyrings/debian-archive-keyring.gpg";

const DEB822 = `Types: deb
# a comment inside a stanza
URIs: http://mirror.invalid/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb deb-src
URIs: http://mirror.invalid/debian-security
Suites: bookworm-security
Components: main contrib
`;

test.for([
  {
    name: "a machine's own stanzas",
    entries: readStanzas(DEB822),
    want: [
      `deb [${KEY}] http://mirror.invalid/debian bookworm main`,
      `deb [${KEY}] http://mirror.invalid/debian bookworm-updates main`,
      `deb [${KEY}] http://mirror.invalid/debian-security bookworm-security main`,
    ],
  },
  {
    name: "one-line entries",
    entries: readOneLiners(
      "# deb http://no.invalid bookworm main\ndeb http://mirror.invalid/debian bookworm main contrib # ours\n",
    ),
    want: [`deb [${KEY}] http://mirror.invalid/debian bookworm main`],
  },
  {
    name: "a newer Debian's",
    entries: readStanzas(DEB822.replaceAll("bookworm", "trixie")),
    want: [
      `deb [${KEY}] http://mirror.invalid/debian bookworm main`,
      `deb [${KEY}] http://mirror.invalid/debian bookworm-updates main`,
      `deb [${KEY}] http://mirror.invalid/debian-security bookworm-security main`,
    ],
  },
  {
    name: "two releases and a rank",
    entries: readOneLiners(
      ["bookworm", "trixie", "stable", "sid"]
        .map((suite) => `deb http://mirror.invalid/debian ${suite} main`)
        .join("\n"),
    ),
    want: [`deb [${KEY}] http://mirror.invalid/debian bookworm main`],
  },
  {
    name: "backports",
    entries: readOneLiners("deb http://mirror.invalid/debian trixie-backports main"),
    want: [],
  },
  {
    name: "a newer Debian's key",
    entries: readOneLiners(
      "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.pgp] http://mirror.invalid/debian trixie main",
    ),
    want: [`deb [${KEY}] http://mirror.invalid/debian bookworm main`],
  },
  {
    name: "another vendor's key",
    entries: readOneLiners(
      "deb [arch=amd64 signed-by=/k/docker.gpg] http://x.invalid bookworm main",
    ),
    want: [],
  },
  {
    name: "another vendor's suite",
    entries: readOneLiners("deb http://x.invalid cloud-sdk-bookworm main"),
    want: [],
  },
  {
    name: "a vendor's component",
    entries: readOneLiners("deb http://x.invalid bookworm stable"),
    want: [],
  },
  {
    name: "sources only",
    entries: readOneLiners("deb-src http://mirror.invalid/debian bookworm main"),
    want: [],
  },
  {
    name: "a stanza that is switched off",
    entries: readStanzas(`Enabled: no\n${DEB822.split("\n\n")[0] ?? ""}`),
    want: [],
  },
])("$name", ({ entries, want }) => {
  expect(debianLines(entries)).toEqual(want);
});
