// What a file of settings says, in words, before a monitor is started with it.
import { type PolicyConfig } from "@selfscale/core";
import { type Config } from "../config/load.ts";
import { namedPolicy, sayPolicy } from "../config/policy.ts";

/** Lines for people; `config` is what was read from `file`. */
export function describeConfig(file: string, config: Config): string[] {
  const { policy, preset, calm, shadow } = config;
  const own = ownNumbers(policy, namedPolicy(preset, calm));
  const numbers = own.length === 0 ? "" : `; numbers of its own: ${own.join(", ")}`;
  const { cpu, memory } = policy;
  return [
    `${file}: good`,
    `policy: ${sayPolicy(preset, calm)}${numbers}`,
    `gives back: what was idle for ${round(cpu.worthUnitSec)} vCPU·s or ${round(memory.worthUnitSec)} GiB·s`,
    ...(shadow === null ? [] : [`shadow: ${shadow.preset}`]),
    `agents: ${agentsOf(config)}`,
    `PostgreSQL: ${postgresOf(config)}`,
  ];
}

/** "cpu.holdMs 7000", where it differs from what its name stands for. */
function ownNumbers({ cpu, memory, ...holds }: PolicyConfig, named: PolicyConfig): string[] {
  const { cpu: namedCpu, memory: namedMemory, ...namedHolds } = named;
  return [
    ...differing("", holds, namedHolds),
    ...differing("cpu.", cpu, namedCpu),
    ...differing("memory.", memory, namedMemory),
  ];
}

function differing<T extends Readonly<Record<keyof T, number>>>(group: string, own: T, named: T) {
  return (Object.keys(own) as (keyof T & string)[])
    .filter((key) => own[key] !== named[key])
    .map((key) => `${group}${key} ${own[key]}`);
}

function agentsOf({ listen, token, tls }: Config): string {
  const at = `at ${listen.address}:${listen.port}`;
  const shown = [
    ...(token === null ? [] : ["the token"]),
    ...((tls?.clientCa ?? null) === null ? [] : ["a certificate"]),
  ];
  const how = tls === null ? "ws" : "wss";
  return `${how} ${at}, ${shown.length === 0 ? "whoever reaches it" : `with ${shown.join(" and ")}`}`;
}

function postgresOf({ postgres, anticipation }: Config): string {
  if (postgres === null) return "none";
  const { host, port, user, database } = postgres;
  const { indexBuilds, vacuums, sessions, connections, maxShare } = anticipation;
  const parts = Object.entries({ indexBuilds, vacuums, sessions, connections })
    .filter(([, isOn]) => isOn)
    .map(([name]) => name);
  const ahead =
    parts.length === 0
      ? "nothing is anticipated"
      : `anticipated are ${parts.join(", ")}, up to ${round(maxShare * 100)} % of the largest size`;
  return `${user} in ${database} at ${host}, port ${port}; ${ahead}`;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
