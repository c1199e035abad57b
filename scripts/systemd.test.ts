// The units of deploy/systemd, read by systemd itself. `make setup` installs it; nothing of it runs.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";

const FOLDER = path.join(import.meta.dirname, "../deploy/systemd");
const UNITS = fs.readdirSync(FOLDER).filter((name) => name.endsWith(".service"));
const read = (unit: string) => fs.readFileSync(path.join(FOLDER, unit), "utf8");

/** The last value of each setting, as systemd takes it; a list that is said twice keeps both. */
function settingsOf(text: string): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const line of text.split("\n")) {
    const match = /^([A-Z][A-Za-z]+)=(.*)$/.exec(line);
    if (match === null) continue;
    const [, name = "", value = ""] = match;
    found.set(name, [...(found.get(name) ?? []), value]);
  }
  return found;
}

/** A copy that starts the node that runs here, wherever it is: systemd looks whether it can be started. */
function analyze(unit: string, text: string, ...args: readonly string[]) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "units-"));
  onTestFinished(() => fs.rmSync(folder, { recursive: true }));
  const file = path.join(folder, unit);
  fs.writeFileSync(file, text.replaceAll("/usr/bin/node ", `${process.execPath} `));
  const { error, status, stdout, stderr } = spawnSync("systemd-analyze", [...args, file], {
    encoding: "utf8",
    env: { ...process.env, SYSTEMD_PAGER: "", SYSTEMD_COLORS: "0" },
  });
  if (error !== undefined) throw new Error(`systemd-analyze: ${error.message}; run make setup`);
  return { status, said: `${stdout}${stderr}` };
}

test("these are the units there are", () => {
  expect(UNITS).toEqual(["selfscale-agent.service", "selfscale-monitor.service"]);
});

describe.for(UNITS)("%s", (unit) => {
  test("systemd understands every line", () => {
    const { status, said } = analyze(unit, read(unit), "verify", "--recursive-errors=no");
    expect([status, said]).toEqual([0, ""]);
  });

  test("a line that it does not understand would be found", () => {
    const broken = read(unit).replace("NoNewPrivileges=yes", "NoNewPrivilege=yes");
    const { said } = analyze(unit, broken, "verify", "--recursive-errors=no");
    expect(said).toMatch(/Unknown key (name )?'NoNewPrivilege'/); // its words differ by release
  });

  test("what the bundle may do is what it needs", () => {
    // Tenths of systemd's own measure, 0 to 10; what is left open is said in docs/deploy.md.
    const threshold = { "selfscale-agent.service": 20, "selfscale-monitor.service": 26 }[unit];
    const args = ["security", "--offline=true", `--threshold=${threshold ?? 0}`];
    const { status, said } = analyze(unit, read(unit), ...args);
    expect(status, said).toBe(0);
    const open = read(unit).replace("NoNewPrivileges=yes\n", "").replace("ProtectHome=yes\n", "");
    expect(analyze(unit, open, ...args).status).not.toBe(0);
  });

  test("docs/deploy.md says what each of its lines is for", () => {
    const document = fs.readFileSync(path.join(FOLDER, "../../docs/deploy.md"), "utf8");
    const unsaid = [...settingsOf(read(unit)).keys()].filter((name) => !document.includes(name));
    expect(unsaid).toEqual([]);
  });
});

test.for<[setting: string, agent: string, monitor: string]>([
  ["NoNewPrivileges", "yes", "yes"],
  ["CapabilityBoundingSet", "", "CAP_SYS_RESOURCE CAP_SYS_NICE"],
  ["PrivateTmp", "yes", "yes"],
  ["ProtectSystem", "strict", "strict"],
  ["ProtectHome", "yes", "yes"],
  ["RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6", "AF_UNIX AF_INET AF_INET6"],
  ["MemoryDenyWriteExecute", "no", "no"], // node does not start with it
  ["RuntimeDirectory", "selfscale", "selfscale"],
  ["RuntimeDirectoryMode", "0700", "0700"],
  ["Restart", "always", "always"],
  ["OOMScoreAdjust", "-500", "-900"],
])("%s is %j for the agent and %j for the monitor", ([setting, agent, monitor]) => {
  expect(UNITS.map((unit) => settingsOf(read(unit)).get(setting))).toEqual([[agent], [monitor]]);
});

test("the drop-in for PostgreSQL adds three capabilities and one folder, and nothing else is opened", () => {
  const dropIn = fs.readFileSync(path.join(FOLDER, "selfscale-monitor-postgres.conf"), "utf8");
  const added = settingsOf(dropIn);
  expect([...added.keys()]).toEqual(["ExecStartPre", "ReadWritePaths", "CapabilityBoundingSet"]);
  expect(added.get("CapabilityBoundingSet")).toEqual(["CAP_CHOWN CAP_FOWNER CAP_DAC_OVERRIDE"]);
  expect(added.get("ReadWritePaths")).toEqual(["-/run/selfscale-postgres"]);
  // As systemd reads both: one text after the other.
  const both = `${read("selfscale-monitor.service")}\n${dropIn}`;
  const { status, said } = analyze("both.service", both, "verify", "--recursive-errors=no");
  expect([status, said]).toEqual([0, ""]);
});

test("what the monitor granted is there for the next one", () => {
  const monitor = settingsOf(read("selfscale-monitor.service"));
  expect(monitor.get("RuntimeDirectoryPreserve")).toEqual(["restart"]);
});

test("the agent is nobody special, reloads on SIGHUP, and is given longer to stop than it takes", () => {
  const agent = settingsOf(read("selfscale-agent.service"));
  expect(agent.get("User")).toEqual(["selfscale"]);
  expect(agent.get("ExecReload")).toEqual(["/bin/kill -HUP $MAINPID"]);
  expect(Number(agent.get("TimeoutStopSec")?.[0])).toBeGreaterThan(5);
  expect(agent.get("RestartPreventExitStatus")).toEqual(["2"]); // a wrong configuration
});
