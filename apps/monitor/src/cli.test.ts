import { expect, test } from "vitest";
import { DEFAULT_STATUS_SOCKET, readCommand, VERSION } from "./cli.ts";

const run = (settings: object, configFile: string | null = null) => ({
  kind: "run",
  configFile,
  settings,
});

test.for([
  { args: "", want: run({}) },
  { args: "--config /etc/m.yaml", want: run({}, "/etc/m.yaml") },
  {
    args: "--listen 0.0.0.0:10301 --metrics-listen=[::]:9100",
    want: run({ listen: "0.0.0.0:10301", metricsListen: "[::]:9100" }),
  },
  {
    args: "--preset demo --protocol-max 1 --require-auth --token t",
    want: run({ preset: "demo", protocolMax: "1", requireAuth: true, token: "t" }),
  },
  {
    args: "--tls-cert c --tls-key k --tls-client-ca ca",
    want: run({ tlsCert: "c", tlsKey: "k", tlsClientCa: "ca" }),
  },
  { args: "--record /run/talk.jsonl", want: run({ record: "/run/talk.jsonl" }) },
  {
    args: "--shadow demo --record t --record-samples-every-ms 500",
    want: run({ shadow: "demo", record: "t", recordSamplesEveryMs: "500" }),
  },
  { args: "status", want: { kind: "status", socketPath: DEFAULT_STATUS_SOCKET, isJson: false } },
  { args: "status --json --status /x", want: { kind: "status", socketPath: "/x", isJson: true } },
  { args: "explain", want: { kind: "explain", socketPath: DEFAULT_STATUS_SOCKET, isJson: false } },
  {
    args: "check-config a.yaml",
    want: { kind: "check-config", configFile: "a.yaml" },
  },
  { args: "--version", want: { kind: "print", text: `${VERSION}\n` } },
])("$args", ({ args, want }) => {
  expect(readCommand(args.split(" ").filter((word) => word !== ""))).toEqual(want);
});

test.for([
  { args: "--lisen x", problem: "Unknown option '--lisen' (see selfscale-monitor --help)" },
  {
    args: "--listen",
    problem: "Option '--listen <value>' argument missing (see selfscale-monitor --help)",
  },
  {
    args: "statsu",
    problem:
      'unknown command "statsu", expected status, explain, reserve, check-config or sql (see selfscale-monitor --help)',
  },
  { args: "check-config", problem: "check-config takes one file (see selfscale-monitor --help)" },
  {
    args: "check-config a.yaml --preset calm",
    problem: "check-config takes a file only, not --preset (see selfscale-monitor --help)",
  },
  { args: "status now", problem: 'unexpected argument "now" (see selfscale-monitor --help)' },
  {
    args: "--json",
    problem: "--json belongs to the commands status and explain (see selfscale-monitor --help)",
  },
])("$args is a mistake", ({ args, problem }) => {
  expect(readCommand(args.split(" "))).toEqual({ kind: "mistake", problem });
});

test("--help names every option", () => {
  const help = readCommand(["--help"]);
  expect(help.kind).toBe("print");
  for (const option of [
    "--listen",
    "--config",
    "--metrics-listen",
    "--status",
    "--preset",
    "--calm",
    "--protocol-max",
    "--token",
    "--tls-cert",
    "--tls-key",
    "--tls-client-ca",
    "--require-auth",
    "--shadow",
    "--record",
    "--record-samples-every-ms",
    "--log-level",
    "--version",
  ]) {
    expect(help.kind === "print" && help.text).toContain(option);
  }
});
