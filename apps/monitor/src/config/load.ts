import fs from "node:fs";
import type * as z from "zod";
import { type Settings } from "../cli.ts";
import { type PolicyConfig, PRESETS, type PresetName } from "@selfscale/core";
import { readToken } from "../shell/auth.ts";
import { TlsFileError, readTlsFiles } from "../shell/tls-files.ts";
import { ConfigError, describeIssues, describeValue, type Source } from "./problem.ts";
import { createConfigSchema } from "./schema.ts";

type Schema = ReturnType<typeof createConfigSchema>;
type FileValues = z.output<Schema>;
type TlsValues = NonNullable<FileValues["tls"]>;

/** Settings of which each is one key of the file. */
type PlainSettings = Omit<Settings, "tlsCert" | "tlsKey" | "tlsClientCa">;

/** Everything the monitor is told, defaults filled in, the command line's word above the file's. */
export type Config = Readonly<
  Pick<
    FileValues,
    | "listen"
    | "metricsListen"
    | "status"
    | "statusGroup"
    | "preset"
    | "protocolMax"
    | "probeScaleRequest"
    | "token"
    | "tls"
    | "requireAuth"
    | "record"
    | "recordSamplesEveryMs"
    | "postgres"
    | "anticipation"
    | "fileCache"
    | "cgroup"
    | "logLevel"
  > & {
    policy: PolicyConfig;
    /** Beside the live one, without effect; null: none. */
    shadow: Readonly<{ preset: PresetName; policy: PolicyConfig }> | null;
    cpuEveryMs: number;
    memoryEveryMs: number;
    pageInMaxBytesPerSec: number | "auto";
  }
>;

/** A preset as it is. */
const NO_NUMBERS = { cpu: {}, memory: {} };

/** Reads and checks. Throws ConfigError with one message for the first thing that is wrong. */
export async function loadConfig(configFile: string | null, settings: Settings): Promise<Config> {
  const schema = createConfigSchema();
  const file = configFile === null ? schema.parse({}) : await readConfigFile(configFile, schema);
  const { tlsCert, tlsKey, tlsClientCa, ...others } = settings;
  const tls = override<Partial<TlsValues>>(file.tls ?? {}, {
    cert: tlsCert,
    key: tlsKey,
    clientCa: tlsClientCa,
  });
  const where = configFile ?? "command line";
  const given = checkSettings(others, schema);
  const values = { ...file, ...given, tls: completeTls(tls, where) };
  const { cpu, memory, startHoldMs, shortGrantHoldMs, staleMs, ...plain } = values;
  const { sampleEveryMs: cpuEveryMs, ...cpuNumbers } = cpu;
  const { sampleEveryMs: memoryEveryMs, pageInMaxBytesPerSec, ...memoryNumbers } = memory;
  const holds = { startHoldMs, shortGrantHoldMs, staleMs };
  const policy = policyOf(values.preset, { cpu: cpuNumbers, memory: memoryNumbers, ...holds });
  // The command line names a preset; numbers of the file stay on top of it.
  const preset = given.shadow?.preset;
  const second = preset === undefined ? file.shadow : { ...(file.shadow ?? NO_NUMBERS), preset };
  const shadow = second === null ? null : shadowOf(second);
  const cadence = { cpuEveryMs, memoryEveryMs };
  const config: Config = { ...plain, policy, shadow, ...cadence, pageInMaxBytesPerSec };
  checkTogether(config, where);
  return config;
}

type PolicyNumbers = Omit<NonNullable<FileValues["shadow"]>, "preset">;

/** A preset with single numbers in the place of its own. */
function policyOf(name: PresetName, { cpu, memory, ...holds }: PolicyNumbers): PolicyConfig {
  const preset = PRESETS[name];
  return {
    ...override(preset, holds),
    cpu: override(preset.cpu, cpu),
    memory: override(preset.memory, memory),
  };
}

function shadowOf({ preset, ...numbers }: NonNullable<FileValues["shadow"]>): Config["shadow"] {
  return { preset, policy: policyOf(preset, numbers) };
}

/** What belongs together must fit together. */
function checkTogether(config: Config, where: string): void {
  const { policy, token, tls, requireAuth } = config;
  const { reserveMinBytes, reserveMaxBytes } = policy.memory;
  if (reserveMinBytes > reserveMaxBytes) {
    const problem = `${reserveMinBytes} is not accepted: expected at most memory.reserveMaxBytes`;
    throw new ConfigError(`${where}: memory.reserveMinBytes: ${problem} (${reserveMaxBytes})`);
  }
  if (requireAuth && token === null && (tls?.clientCa ?? null) === null) {
    const expected = "requireAuth expects a token file or tls.clientCa";
    throw new ConfigError(`${where}: token: nothing is given, but ${expected}`);
  }
  if (token !== null) checkToken(token, where);
  if (tls !== null) checkTls(tls, where);
}

function checkToken(token: string, where: string): void {
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

function checkTls(tls: TlsValues, where: string): void {
  try {
    readTlsFiles(tls);
  } catch (error) {
    if (!(error instanceof TlsFileError)) throw error;
    throw new ConfigError(`${where}: tls.${error.setting}: ${error.message}`, { cause: error });
  }
}

/** null when nothing is given; otherwise the certificate and its key both are. */
function completeTls(given: Partial<TlsValues>, where: string): TlsValues | null {
  const { cert, key, clientCa = null } = given;
  if (Object.keys(given).length === 0) return null;
  if (cert !== undefined && key !== undefined) return { cert, key, clientCa };
  const missing = cert === undefined ? "cert" : "key";
  throw new ConfigError(
    `${where}: tls.${missing}: nothing is given, but tls expects both cert and key`,
  );
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
function checkSettings(settings: PlainSettings, schema: Schema): Partial<FileValues> {
  const { protocolMax, recordSamplesEveryMs, shadow, ...texts } = settings;
  const given = {
    ...texts,
    ...(protocolMax !== undefined && { protocolMax: Number(protocolMax) }),
    ...(recordSamplesEveryMs !== undefined && {
      recordSamplesEveryMs: Number(recordSamplesEveryMs),
    }),
    ...(shadow !== undefined && { shadow: { preset: shadow } }),
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
