import fs from "node:fs";
import type * as z from "zod";
import { type Settings } from "../cli.ts";
import { type PolicyConfig, PRESETS } from "@selfscale/core";
import { readToken } from "../shell/auth.ts";
import { ConfigError, describeIssues, describeValue, type Source } from "./problem.ts";
import { createConfigSchema } from "./schema.ts";

type Schema = ReturnType<typeof createConfigSchema>;
type FileValues = z.output<Schema>;

/** Everything the monitor is told, defaults filled in, the command line's word above the file's. */
export type Config = Readonly<
  Pick<
    FileValues,
    | "listen"
    | "metricsListen"
    | "status"
    | "preset"
    | "protocolMax"
    | "probeScaleRequest"
    | "token"
    | "requireAuth"
    | "logLevel"
  > & {
    policy: PolicyConfig;
    cpuEveryMs: number;
    memoryEveryMs: number;
    pageInMaxBytesPerSec: number | "auto";
  }
>;

/** Reads and checks. Throws ConfigError with one message for the first thing that is wrong. */
export async function loadConfig(configFile: string | null, settings: Settings): Promise<Config> {
  const schema = createConfigSchema();
  const file = configFile === null ? schema.parse({}) : await readConfigFile(configFile, schema);
  const values = { ...file, ...checkSettings(settings, schema) };
  const { cpu, memory, startHoldMs, shortGrantHoldMs, staleMs, ...plain } = values;
  const { sampleEveryMs: cpuEveryMs, ...cpuNumbers } = cpu;
  const { sampleEveryMs: memoryEveryMs, pageInMaxBytesPerSec, ...memoryNumbers } = memory;
  const preset = PRESETS[values.preset];
  const policy: PolicyConfig = {
    cpu: override(preset.cpu, cpuNumbers),
    memory: override(preset.memory, memoryNumbers),
    ...override(
      {
        startHoldMs: preset.startHoldMs,
        shortGrantHoldMs: preset.shortGrantHoldMs,
        staleMs: preset.staleMs,
      },
      { startHoldMs, shortGrantHoldMs, staleMs },
    ),
  };
  const config: Config = { ...plain, policy, cpuEveryMs, memoryEveryMs, pageInMaxBytesPerSec };
  checkTogether(config, configFile ?? "command line");
  return config;
}

/** What belongs together must fit together. */
function checkTogether({ policy, token, requireAuth }: Config, where: string): void {
  const { reserveMinBytes, reserveMaxBytes } = policy.memory;
  if (reserveMinBytes > reserveMaxBytes) {
    const problem = `${reserveMinBytes} is not accepted: expected at most memory.reserveMaxBytes`;
    throw new ConfigError(`${where}: memory.reserveMinBytes: ${problem} (${reserveMaxBytes})`);
  }
  if (requireAuth && token === null) {
    throw new ConfigError(
      `${where}: token: nothing is given, but requireAuth expects a token file`,
    );
  }
  if (token === null) return;
  try {
    readToken(token);
  } catch (error) {
    throw new ConfigError(
      `${where}: token: ${describeValue(token)} is not accepted: expected a readable file with a ` +
        `token (${(error as Error).message})`,
      { cause: error },
    );
  }
}

async function readConfigFile(file: string, schema: Schema): Promise<FileValues> {
  // Loaded only when there is a file to read: the parser alone takes 0.7 MB for good.
  const { LineCounter, parseDocument } = await import("yaml");
  const lines = new LineCounter();
  const document = parseDocument(readText(file), { lineCounter: lines, prettyErrors: false });
  const [syntax] = document.errors;
  if (syntax !== undefined) {
    const { line } = lines.linePos(syntax.pos[0]);
    throw new ConfigError(`${file}:${line}: not YAML: ${syntax.message}`);
  }
  const source: Source = { file, document, lines };
  const parsed = schema.safeParse(readValues(source));
  if (!parsed.success) throw new ConfigError(describeIssues(parsed.error.issues, source));
  return parsed.data;
}

function readValues({ file, document }: Source): unknown {
  if (document.contents === null) return {}; // an empty file is a file of defaults
  try {
    return document.toJS();
  } catch (error) {
    // Aliases that point nowhere, or that multiply beyond reason.
    throw new ConfigError(`${file}: not YAML: ${(error as Error).message}`, { cause: error });
  }
}

function readText(file: string): string {
  try {
    return fs.readFileSync(file, "utf8");
  } catch (error) {
    throw new ConfigError(`${file}: can't be read: ${(error as Error).message}`, { cause: error });
  }
}

/** The same schemas as in the file, but the problem names the option. */
function checkSettings(settings: Settings, schema: Schema): Partial<FileValues> {
  const { protocolMax, ...texts } = settings;
  const given = {
    ...texts,
    ...(protocolMax !== undefined && { protocolMax: Number(protocolMax) }),
  };
  const parsed = schema.partial().safeParse(given);
  const shown = settings as Readonly<Record<string, unknown>>;
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const key = String(issue?.path[0]);
    const option = key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    const value = describeValue(shown[key]);
    throw new ConfigError(`--${option}: ${value} is not accepted: ${issue?.message ?? "invalid"}`);
  }
  // Of the defaults that the schema filled in, none was said on the command line.
  return Object.fromEntries(Object.entries(parsed.data).filter(([key]) => key in given));
}

/** `defaults` with what is given in its place. */
function override<T extends object>(defaults: T, given: { [Key in keyof T]?: unknown }): T {
  const said = Object.entries(given).filter(([, value]) => value !== undefined);
  return { ...defaults, ...Object.fromEntries(said) };
}
