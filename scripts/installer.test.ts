// dist/selfscale-monitor-install.sh, into the folder of an image and back out. A running system: test-e2e/cases/install.test.ts
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { writeInstaller } from "./installer.mjs";

/** Static: it is the whole of an image that can run a node of one line. */
const BUSYBOX = "/bin/busybox";
const UNIT = "etc/systemd/system/selfscale-monitor.service";

let dir = "";
let root = "";
let installer = "";

beforeEach(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), "selfscale-install-"));
  onTestFinished(() => fs.rmSync(dir, { recursive: true }));
  root = path.join(dir, "image");
  fs.mkdirSync(path.join(root, "bin"), { recursive: true });
  fs.copyFileSync(BUSYBOX, path.join(root, "bin/sh"));
  program("usr/lib/systemd/systemd", "");
  node("v20.19.2");
  fs.writeFileSync(path.join(dir, "monitor.cjs"), "// a monitor\n");
  installer = writeInstaller(dir, path.join(dir, "monitor.cjs"));
});

function program(name: string, text: string): void {
  const file = path.join(root, name);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
}
const node = (version: string, name = "usr/bin/node") => program(name, `echo ${version}`);

function groups(): void {
  fs.mkdirSync(path.join(root, "etc"));
  fs.writeFileSync(path.join(root, "etc/group"), "root:x:0:\npostgres:x:119:anna\n");
}

function install(...args: readonly string[]) {
  const all = [installer, "--root", root, ...args];
  const { status, stdout, stderr } = spawnSync("sh", all, { encoding: "utf8" });
  return { status, lines: stdout.split("\n").slice(0, -1), stderr };
}
const read = (name: string) => fs.readFileSync(path.join(root, name), "utf8");
const list = () =>
  fs
    .readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)))
    .filter((name) => /selfscale|supervise/.test(name))
    .sort();
const say = (text: string) => `selfscale-monitor: ${text}`;

const INSTALLED = [
  "etc/default/selfscale-monitor",
  UNIT,
  "etc/systemd/system/multi-user.target.wants/selfscale-monitor.service",
  "usr/local/bin/selfscale-monitor",
  "usr/local/lib/selfscale/claim-pages",
  "usr/local/lib/selfscale/selfscale-monitor.cjs",
  "usr/local/lib/selfscale/supervise-monitor",
].sort();

describe.skipIf(process.getuid?.() !== 0)("into an image", () => {
  test("puts everything in its place, enables it, and says so", () => {
    expect(install()).toEqual({
      status: 0,
      lines: [
        "node is /usr/bin/node, v20.19.2",
        "installed /usr/local/lib/selfscale/selfscale-monitor.cjs",
        "installed /usr/local/lib/selfscale/supervise-monitor",
        "installed /usr/local/lib/selfscale/claim-pages",
        "installed /usr/local/bin/selfscale-monitor",
        "installed /etc/default/selfscale-monitor",
        "installed /etc/systemd/system/selfscale-monitor.service",
        "enabled: systemd starts it at boot",
      ].map(say),
      stderr: "",
    });
    expect(list()).toEqual(INSTALLED);
    expect(read("usr/local/lib/selfscale/selfscale-monitor.cjs")).toBe("// a monitor\n");
    const unit = fs.readFileSync(
      path.join(import.meta.dirname, "../deploy/systemd/selfscale-monitor.service"),
      "utf8",
    );
    expect(read(UNIT)).toBe(unit);
  });

  test("a second time changes nothing, and keeps the settings", () => {
    install();
    fs.writeFileSync(path.join(root, "etc/default/selfscale-monitor"), "ARGS=mine\n");
    const before = list().map((name) => fs.lstatSync(path.join(root, name)).mtimeMs);
    const { status, lines } = install();
    expect([status, lines.filter((line) => !/ (unchanged|kept|node is) /.test(line))]).toEqual([
      0,
      [],
    ]);
    expect(list().map((name) => fs.lstatSync(path.join(root, name)).mtimeMs)).toEqual(before);
    expect(read("etc/default/selfscale-monitor")).toBe("ARGS=mine\n");
  });

  test("another release replaces what differs", () => {
    install();
    fs.writeFileSync(path.join(dir, "monitor.cjs"), "// the next\n");
    writeInstaller(dir, path.join(dir, "monitor.cjs"));
    const { lines } = install();
    expect(lines).toContain(say("updated /usr/local/lib/selfscale/selfscale-monitor.cjs"));
    expect(lines).toContain(say("unchanged /usr/local/lib/selfscale/supervise-monitor"));
    expect(read("usr/local/lib/selfscale/selfscale-monitor.cjs")).toBe("// the next\n");
  });

  test("another node is used everywhere", () => {
    node("v22.1.0", "opt/node/bin/node");
    expect(install("--node", "/opt/node/bin/node").status).toBe(0);
    const users = [
      UNIT,
      "usr/local/bin/selfscale-monitor",
      "usr/local/lib/selfscale/supervise-monitor",
      "usr/local/lib/selfscale/claim-pages",
    ];
    for (const name of users) {
      expect(read(name)).toContain("/opt/node/bin/node ".trim());
      expect(read(name)).not.toContain("/usr/bin/node");
    }
  });

  test("--postgres adds a drop-in, which stays until --uninstall", () => {
    install();
    expect(list()).toEqual(INSTALLED);
    const { lines } = install("--postgres");
    const dropIn = `${UNIT}.d/postgres.conf`;
    expect(lines).toContain(say(`installed /${dropIn}`));
    install();
    expect(list()).toEqual([...INSTALLED, dropIn].sort());
    expect(install("--uninstall", "--purge").lines).toContain(say(`removed /${dropIn}`));
    expect(list()).toEqual([]);
    expect(fs.existsSync(path.join(root, `${UNIT}.d`))).toBe(false);
  });

  test("--status-group makes the monitor a member of it, until --uninstall", () => {
    groups();
    const dropIn = `${UNIT}.d/status-group.conf`;
    expect(install("--status-group", "postgres").lines).toContain(say(`installed /${dropIn}`));
    expect(read(dropIn)).toBe("[Service]\nGroup=postgres\n");
    install();
    expect(list()).toEqual([...INSTALLED, dropIn].sort());
    expect(install("--uninstall", "--purge").lines).toContain(say(`removed /${dropIn}`));
    expect(list()).toEqual([]);
  });

  test.for([
    { group: "nobody-has-it", problem: "there is no group nobody-has-it: make it first" },
    { group: "post", problem: "there is no group post: make it first" },
    { group: "a b", problem: "expected the name of a group" },
    { group: "-v", problem: "expected the name of a group" },
    { group: "x\nUser=root", problem: "expected the name of a group" },
  ])("--status-group $group is refused before anything is touched", ({ group, problem }) => {
    groups();
    const { status, stderr } = install("--status-group", group);
    expect([status, list()]).toEqual([2, []]);
    expect(stderr).toContain(problem);
  });

  test("without systemd it says what must be started at boot", () => {
    fs.rmSync(path.join(root, "usr/lib/systemd"), { recursive: true });
    const { status, lines } = install();
    expect(status).toBe(0);
    expect(lines.at(-1)).toBe(
      say(`no systemd in ${root}: have /usr/local/lib/selfscale/supervise-monitor started at boot`),
    );
    expect(list().filter((name) => name.includes("systemd"))).toEqual([]);
  });

  test.for([
    {
      name: "an old node",
      version: "v18.19.0",
      problem: "is v18.19.0, and 20.19 or later is needed",
    },
    { name: "a node a little too old", version: "v20.9.0", problem: "is v20.9.0, and 20.19" },
    { name: "no node at all", version: "banana", problem: 'says its version is "banana"' },
  ])("$name is refused before anything is touched", ({ version, problem }) => {
    node(version);
    const { status, stderr } = install();
    expect(status).toBe(2);
    expect(stderr).toContain(problem);
    expect(list()).toEqual([]);
  });

  test.for([
    { args: ["--node", "/usr/bin/nodejs"], problem: "install node 20.19 or later first" },
    { args: ["--node", "node"], problem: "expected an absolute path of plain characters" },
    {
      args: ["--node", "/usr/bin/node#x"],
      problem: "expected an absolute path of plain characters",
    },
    { args: ["--node"], problem: "--node needs a value" },
    { args: ["--purge"], problem: "--purge belongs to --uninstall" },
    { args: ["--root", "/nonexistent"], problem: "/nonexistent is no folder" },
    { args: ["now"], problem: "unknown option now" },
  ])("$args is refused: $problem", ({ args, problem }) => {
    const { status, stderr } = install(...args);
    expect([status, list()]).toEqual([2, []]);
    expect(stderr).toContain(problem);
  });

  test("a file that was cut off on its way installs nothing", () => {
    const text = fs.readFileSync(installer, "utf8");
    fs.writeFileSync(installer, text.slice(0, -200));
    const { status } = install();
    expect([status === 0, list()]).toEqual([false, []]);
  });

  test("--uninstall takes all of it away but the settings, and those with --purge", () => {
    install();
    const { status, lines } = install("--uninstall");
    expect([status, list()]).toEqual([0, ["etc/default/selfscale-monitor"]]);
    expect(lines.at(-1)).toBe(say("kept /etc/default/selfscale-monitor (remove it with --purge)"));
    expect(install("--uninstall", "--purge").status).toBe(0);
    expect(list()).toEqual([]);
    expect(install("--uninstall")).toEqual({
      status: 0,
      lines: [say("was not installed")],
      stderr: "",
    });
  });
});

test("the same bytes come of the same files", () => {
  const before = fs.readFileSync(installer);
  writeInstaller(dir, path.join(dir, "monitor.cjs"));
  expect(fs.readFileSync(installer).equals(before)).toBe(true);
});
