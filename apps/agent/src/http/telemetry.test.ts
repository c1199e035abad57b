// A fleet goes through a story, and its page is read as a scraper reads it.
import fs from "node:fs";
import path from "node:path";
import { AGENT_NOTES } from "@selfscale/core";
import { AGENT_REASONS, OUTCOMES } from "@selfscale/protocol";
import { expect, onTestFinished, test, vi } from "vitest";
import { type Fleet, type FleetStatus } from "../shell/fleet.ts";
import { TIMED_STEPS } from "../shell/observer.ts";
import { readExposition, type Family } from "../testing/exposition.ts";
import { size, startFleet, vmConfig } from "../testing/fleet.ts";
import { startGuest } from "../testing/guest.ts";
import { startQemu } from "../testing/qemu.ts";
import { PATIENT, until } from "../testing/wait.ts";
import { HttpDoor } from "./http-door.ts";
import { HttpServer } from "./http-server.ts";
import { Telemetry } from "./telemetry.ts";
import { NO_REASON, RUNGS } from "./vm-metrics.ts";

vi.setConfig(PATIENT);

const UUID = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";

async function serve(telemetry: Telemetry): Promise<string> {
  const server = new HttpServer({ host: "127.0.0.1", port: 0 }, telemetry.pages());
  const port = await server.listen();
  onTestFinished(() => server.stop());
  return `http://127.0.0.1:${port}`;
}

async function scrape(url: string): Promise<ReadonlyMap<string, Family>> {
  const response = await fetch(`${url}/metrics`);
  expect(response.status).toBe(200);
  return readExposition(await response.text());
}

/** The value of the one series with these labels; null: there is none. */
function valueOf(
  page: ReadonlyMap<string, Family>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number | null {
  const family = page.get(name) ?? page.get(name.replace(/_(count|sum|bucket)$/, ""));
  const found = (family?.series ?? []).filter(
    (series) =>
      series.name === name &&
      Object.entries(labels).every(([label, value]) => series.labels[label] === value),
  );
  expect(found.length).toBeLessThanOrEqual(1);
  return found[0]?.value ?? null;
}

/** Grown, refused by the node, asked for less, lost: what it takes to have said something of everything. */
async function story(): Promise<{ url: string; fleet: Fleet; telemetry: Telemetry }> {
  const telemetry = new Telemetry();
  const [qemu, guest] = await Promise.all([startQemu({ uuid: UUID }), startGuest({ uuid: UUID })]);
  const there = vmConfig({ name: "pg-1", socket: qemu.socket, url: guest.monitor.url });
  const absent = vmConfig({ name: "pg-2", socket: "/nowhere/qmp", url: "ws://127.0.0.1:1/" });
  const { fleet } = startFleet([there, absent], {
    capacity: size(4, 1024),
    observer: telemetry.instruments,
    timers: { healthCheckMs: 50 },
  });
  telemetry.start(() => fleet.status());
  onTestFinished(() => telemetry.stop());
  telemetry.watchPressure(() => ({ memory: 0.25, cpu: 0.5, io: null }));
  telemetry.instruments.loaded(true, 1_000);
  const url = await serve(telemetry);
  await guest.wish(2, 2048);
  await until("growth", () => fleet.status().vms[0]?.actual?.milliCpu === 2000);
  await until("its notification", () => guest.framesOf("UpscaleNotification").length > 0);
  await guest.wish(1, 128);
  await until("it to be asked for less", () => guest.framesOf("DownscaleRequest").length > 0);
  await until("its health", () => guest.framesOf("HealthCheck").length > 2);
  return { url, fleet, telemetry };
}

test("a fleet that went through a story shows it, by the conventions", async () => {
  const { url, fleet } = await story();
  const timed = [
    ...["wish-to-answer", "wish-to-command", "command-to-done", "growth-to-actual-cpu"],
    ...["ask-to-consent", "notification-to-confirmation", "health-check", "observe", "core-step"],
  ];
  const count = "selfscale_step_duration_seconds_count";
  const page = await until("every step of it", async () => {
    const seen = await scrape(url);
    return timed.every((step) => (valueOf(seen, count, { step }) ?? 0) > 0) ? seen : null;
  });
  const sizes = fleet.status().vms[0];
  expect(valueOf(page, "selfscale_vm_cpu_vcpus", { vm: "pg-1", rung: "max" })).toBe(4);
  expect(valueOf(page, "selfscale_vm_memory_bytes", { vm: "pg-1", rung: "actual" })).toBe(
    sizes?.actual?.memBytes,
  );
  expect(valueOf(page, "selfscale_vm_hypervisor_up", { vm: "pg-1" })).toBe(1);
  expect(valueOf(page, "selfscale_vm_monitor_up", { vm: "pg-1" })).toBe(1);
  expect(valueOf(page, "selfscale_vm_hypervisor_up", { vm: "pg-2" })).toBe(0);
  expect(valueOf(page, "selfscale_vm_cpu_vcpus", { vm: "pg-2", rung: "actual" })).toBeNull();
  expect(valueOf(page, "selfscale_vm_reason", { vm: "pg-2", reason: "stuck" })).toBe(1);
  expect(valueOf(page, "selfscale_vms_bound", { reason: "stuck" })).toBeGreaterThanOrEqual(1);
  expect(valueOf(page, "selfscale_node_capacity_vcpus")).toBe(4);
  expect(valueOf(page, "selfscale_node_overcommitted")).toBe(0);
  expect(valueOf(page, "selfscale_node_brake")).toBe(0);
  expect(valueOf(page, "selfscale_node_source_info", { cpu: "given", mem: "given" })).toBe(1);
  expect(valueOf(page, "selfscale_node_pressure_ratio", { resource: "memory" })).toBe(0.25);
  expect(valueOf(page, "selfscale_node_pressure_ratio", { resource: "io" })).toBeNull();
  expect(valueOf(page, "selfscale_config_last_load_successful")).toBe(1);
  expect(valueOf(page, "selfscale_config_last_load_success_timestamp_seconds")).toBe(1);
  expect(valueOf(page, "selfscale_notes_total", { reason: "link-up" })).toBe(1);
  expect(valueOf(page, "selfscale_notes_total", { reason: "other" })).toBe(0);
  const deferred = { resource: "mem", outcome: "deferred", reason: "node-full" };
  expect(valueOf(page, "selfscale_scale_responses_total", deferred)).toBeGreaterThan(0);
  for (const family of page.values()) expect(mistakesOf(family)).toEqual([]);
});

/** What Prometheus' own linter would say, and that no label can grow without bound. */
function mistakesOf({ name, help, type, series }: Family): readonly string[] {
  const found: string[] = [];
  const isOurs = name.startsWith("selfscale_");
  if (!isOurs && !name.startsWith("process_")) found.push("a foreign prefix");
  if (!/^[a-z][a-z0-9_]*$/.test(name)) found.push("not in lower snake case");
  if (!/^[A-Z0-9].{15,}\.$/.test(help)) found.push("HELP is no sentence");
  if (!["gauge", "counter", "histogram"].includes(type)) found.push(`a type of ${type}`);
  if ((type === "counter") !== name.endsWith("_total")) found.push("_total is for counters");
  if (/_(milli|micro|kilo|ms|us|mib|kib|percent|count|sum|bucket)(_|$)/.test(name)) {
    found.push("no base unit, or a word of histograms");
  }
  if (type === "histogram" && !name.endsWith("_seconds")) found.push("a duration in no seconds");
  const isUnitless = /_(up|reason|info|overcommitted|brake|successful)$|^selfscale_vms/.test(name);
  const hasUnit = /_(bytes|seconds|vcpus|ratio)$/.test(name);
  if (type === "gauge" && !hasUnit && !isUnitless) found.push("no unit");
  // No QEMU of this story has a quota, and not every kernel says how long its tasks wait.
  if (series.length === 0 && !/throttled|pressure/.test(name)) found.push("no series");
  const keys = new Set(series.map((one) => JSON.stringify([one.name, one.labels])));
  if (keys.size !== series.length) found.push("a series twice");
  return [...found, ...series.flatMap(({ labels }) => labelMistakes(labels))];
}

const BOUNDED: Readonly<Record<string, readonly string[] | RegExp>> = {
  vm: ["pg-1", "pg-2"],
  rung: RUNGS,
  resource: ["cpu", "mem", "memory", "io"],
  reason: [...AGENT_REASONS, ...Object.keys(AGENT_NOTES), NO_REASON, "other"],
  outcome: OUTCOMES,
  step: Object.keys(TIMED_STEPS),
  mode: ["held", "compute-controlled", "metrics-based"],
  result: ["success", "failure"],
  le: /^([0-9.e-]+|\+Inf)$/,
  version: /^\d+\.\d+\.\d+$/,
  runtime: /^v\d+\.\d+\.\d+$/,
  cpu: /./,
  mem: /./,
};

function labelMistakes(labels: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(labels).flatMap(([label, value]) => {
    const known = BOUNDED[label];
    if (known === undefined) return [`an unknown label ${label}`];
    const isKnown = known instanceof RegExp ? known.test(value) : known.includes(value);
    return isKnown ? [] : [`${label} is ${value}`];
  });
}

test.for([
  {
    name: "selfscale_lag_ms_ratio",
    type: "gauge",
    mistake: "no base unit, or a word of histograms",
  },
  { name: "selfscale_steps", type: "counter", mistake: "_total is for counters" },
  { name: "selfscale_size", type: "gauge", mistake: "no unit" },
  { name: "lag_seconds", type: "gauge", mistake: "a foreign prefix" },
])("the check of conventions finds $mistake", ({ name, type, mistake }) => {
  const labels = { user: "x" };
  const family = { name, type, help: "A sentence about it.", series: [{ name, labels, value: 1 }] };
  expect(mistakesOf(family)).toEqual([mistake, "an unknown label user"]);
});

function idle(status: Partial<FleetStatus> = {}): Telemetry {
  const telemetry = new Telemetry();
  const { fleet } = startFleet([]);
  telemetry.start(() => ({ ...fleet.status(), ...status }));
  onTestFinished(() => telemetry.stop());
  return telemetry;
}

test("every reason, every answer and every step has its series before it first happens", async () => {
  const page = await scrape(await serve(idle()));
  for (const reason of Object.keys(AGENT_NOTES)) {
    expect(valueOf(page, "selfscale_notes_total", { reason }), reason).toBe(0);
  }
  for (const reason of [...AGENT_REASONS, NO_REASON]) {
    expect(valueOf(page, "selfscale_vms_bound", { reason }), reason).toBe(0);
    for (const outcome of OUTCOMES) {
      for (const resource of ["cpu", "mem"]) {
        const labels = { resource, outcome, reason };
        expect(valueOf(page, "selfscale_scale_responses_total", labels)).toBe(0);
      }
    }
  }
  for (const step of Object.keys(TIMED_STEPS)) {
    expect(valueOf(page, "selfscale_step_duration_seconds_count", { step }), step).toBe(0);
  }
});

test("a reason that is in no list counts as another; no word of a guest's makes a series", async () => {
  const telemetry = idle();
  const url = await serve(telemetry);
  for (const word of ["no-such-reason", "another"]) telemetry.instruments.noted(word);
  const page = await scrape(url);
  expect(valueOf(page, "selfscale_notes_total", { reason: "other" })).toBe(2);
  expect(valueOf(page, "selfscale_notes_total", { reason: "no-such-reason" })).toBeNull();
});

test("a brake, and a node of another size, show at once", async () => {
  const telemetry = new Telemetry();
  const { fleet } = startFleet([], { capacity: size(4, 1024) });
  telemetry.start(() => fleet.status());
  onTestFinished(() => telemetry.stop());
  const url = await serve(telemetry);
  fleet.onCapacity({
    size: size(2, 2048),
    source: { cpu: "/a/cpu.max", mem: "MemTotal" },
    defaultReserve: size(0, 512),
    brake: "memory pressure 23 % (limit 10 %)",
  });
  const page = await scrape(url);
  expect(valueOf(page, "selfscale_node_brake")).toBe(1);
  expect(valueOf(page, "selfscale_node_capacity_vcpus")).toBe(2);
  expect(valueOf(page, "selfscale_node_capacity_bytes")).toBe(2048 * 1024 ** 2);
  expect(valueOf(page, "selfscale_node_source_info", { cpu: "/a/cpu.max" })).toBe(1);
});

test("a VM's series are gone with it", async () => {
  const [one, other] = ["pg-1", "pg-2"].map((name) =>
    vmConfig({ name, socket: "/nowhere/qmp", url: "ws://127.0.0.1:1/" }),
  );
  const { fleet } = startFleet([one, other].filter((vm) => vm !== undefined));
  const telemetry = new Telemetry();
  let isThere = true;
  telemetry.start(() => {
    const status = fleet.status();
    return isThere ? status : { ...status, vms: status.vms.slice(0, 1) };
  });
  onTestFinished(() => telemetry.stop());
  const url = await serve(telemetry);
  const namesOf = async () => {
    const families = [...(await scrape(url)).values()];
    const names = families.flatMap(({ series }) => series.map(({ labels }) => labels["vm"]));
    return new Set(names.filter((name) => name !== undefined));
  };
  expect(await namesOf()).toEqual(new Set(["pg-1", "pg-2"]));
  isThere = false;
  expect(await namesOf()).toEqual(new Set(["pg-1"]));
});

test("a reload that was refused shows, and the time of the last good one stays", async () => {
  const telemetry = idle();
  telemetry.instruments.loaded(true, 5_000);
  telemetry.instruments.loaded(false, 9_000);
  const page = await scrape(await serve(telemetry));
  expect(valueOf(page, "selfscale_config_last_load_successful")).toBe(0);
  expect(valueOf(page, "selfscale_config_last_load_success_timestamp_seconds")).toBe(5);
  expect(valueOf(page, "selfscale_config_loads_total", { result: "failure" })).toBe(1);
});

test("ready once every VM was looked at or is known not to run; alive all the while", async () => {
  const hanging = await startQemu({ uuid: UUID });
  hanging.kill("SIGSTOP");
  const telemetry = new Telemetry();
  const vms = [
    vmConfig({ name: "pg-1", socket: hanging.socket, url: "ws://127.0.0.1:1/" }),
    vmConfig({ name: "pg-2", socket: "/nowhere/qmp", url: "ws://127.0.0.1:1/" }),
  ];
  const { fleet } = startFleet(vms);
  telemetry.start(() => fleet.status());
  onTestFinished(() => telemetry.stop());
  const url = await serve(telemetry);
  const ask = async (page: string) => {
    const response = await fetch(`${url}${page}`);
    return { code: response.status, text: await response.text() };
  };
  await until("the absent one to be known", async () => {
    const { code, text } = await ask("/readyz");
    return code === 503 && /^pg-1 was not looked at yet: .*\n$/.test(text);
  });
  expect(await ask("/healthz")).toEqual({ code: 200, text: "ok\n" });
  hanging.kill("SIGCONT");
  await until("the other one", async () => (await ask("/readyz")).code === 200);
});

test.for([
  { host: "127.0.0.1", warns: false },
  { host: "0.0.0.0", warns: true },
])("served at $host it warns: $warns", async ({ host, warns }) => {
  const door = await HttpDoor.open({ address: { host, port: 0 }, isGiven: true }, idle());
  onTestFinished(() => door.stop());
  expect(door.address).toMatch(new RegExp(`^${host}:\\d+$`));
  expect(door.warnings).toEqual(
    warns ? ["whoever reaches the address of /metrics can read the VMs' names and sizes"] : [],
  );
});

test("an address that is taken: the operator's own is an error, the default only a warning", async () => {
  const telemetry = idle();
  const first = await HttpDoor.open(
    { address: { host: "127.0.0.1", port: 0 }, isGiven: true },
    telemetry,
  );
  onTestFinished(() => first.stop());
  const address = { host: "127.0.0.1", port: Number(first.address?.split(":")[1]) };
  await expect(HttpDoor.open({ address, isGiven: true }, telemetry)).rejects.toThrow("EADDRINUSE");
  const second = await HttpDoor.open({ address, isGiven: false }, telemetry);
  expect([second.address, second.warnings]).toEqual([
    null,
    [
      `127.0.0.1:${address.port} can't be served (EADDRINUSE); no metrics: set http to an address that is free, or to none`,
    ],
  ]);
});

// UPDATE_METRICS=1 writes the tables anew.
const DOCUMENT = path.join(import.meta.dirname, "../../../../docs/metrics.md");

test.for([
  { table: "metrics", rows: metricRows },
  {
    table: "steps",
    rows: () => Object.entries(TIMED_STEPS).map(([step, text]) => [`\`${step}\``, text]),
  },
])("docs/metrics.md: $table", ({ table, rows }) => {
  const wanted = rows();
  const text = fs.readFileSync(DOCUMENT, "utf8");
  const [begin, end] = [`<!-- ${table}:begin -->\n`, `<!-- ${table}:end -->`];
  const from = text.indexOf(begin) + begin.length;
  const to = text.indexOf(end);
  expect(from).toBeGreaterThanOrEqual(begin.length);
  expect(to).toBeGreaterThanOrEqual(from);
  if (process.env["UPDATE_METRICS"] === "1") {
    const head = table === "metrics" ? ["metric", "type", "labels", "what"] : ["step", "what"];
    const lines = [head, head.map(() => "---"), ...wanted].map((row) => `| ${row.join(" | ")} |`);
    fs.writeFileSync(DOCUMENT, `${text.slice(0, from)}\n${lines.join("\n")}\n\n${text.slice(to)}`);
    return;
  }
  const written = text
    .slice(from, to)
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
  expect(written).toEqual(wanted);
});

test("what docs/metrics.md names is there", () => {
  const text = fs.readFileSync(DOCUMENT, "utf8");
  const named = new Set([...text.matchAll(/selfscale_[a-z_]+/g)].map(([name]) => name));
  const metrics = new Set(new Telemetry().registry.getMetricsAsArray().map(({ name }) => name));
  const missing = [...named].filter((name) => !metrics.has(name.replace(/_bucket$/, "")));
  expect(missing).toEqual([]);
});

function metricRows(): string[][] {
  type Metric = Readonly<{ name: string; help: string; type: string; labelNames: string[] }>;
  const metrics = new Telemetry().registry.getMetricsAsArray() as unknown as Metric[];
  return metrics.map(({ name, type, help, labelNames }) => [
    `\`${name}\``,
    type,
    labelNames.map((label) => `\`${label}\``).join(", "),
    help,
  ]);
}
