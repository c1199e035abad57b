import fs from "node:fs";
import type * as z from "zod";
import { type Settings } from "../cli.ts";
import { type PolicyConfig } from "@selfscale/core";
import { readToken } from "../shell/auth.ts";
import { TlsFileError, readTlsFiles } from "../shell/tls-files.ts";
import { ConfigError, describeIssues, describeValue, type Source } from "./problem.ts";
import { override, policyOf } from "./policy.ts";
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
    | "calm"
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
    /** Beside the live one, without effect; null: none. `preset`: its name, or `calm 0.8`. */
    shadow: Readonly<{ preset: string; policy: PolicyConfig }> | null;
    cpuEveryMs: number;
    memoryEveryMs: number;
    pageInMaxBytesPerSec: number | "auto";
    reactStartMs: number;
  }
>;

/** A preset as it is. */
const NO_NUMBERS = { calm: null, cpu: {}, memory: {} };

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
  const {
    sampleEveryMs: memoryEveryMs,
    pageInMaxBytesPerSec,
    reactStartMs,
    ...memoryNumbers
  } = memory;
  const holds = { startHoldMs, shortGrantHoldMs, staleMs };
  const { preset: base, calm } = values;
  const numbers = { preset: base, calm, cpu: cpuNumbers, memory: memoryNumbers, ...holds };
  const policy = policyOf(numbers, where, "");
  // The command line names a preset; numbers of the file stay on top of it.
  const preset = given.shadow?.preset;
  const second = preset === undefined ? file.shadow : { ...(file.shadow ?? NO_NUMBERS), preset };
  const shadow = second === null ? null : shadowOf(second, where);
  const cadence = { cpuEveryMs, memoryEveryMs };
  const react = { pageInMaxBytesPerSec, reactStartMs };
  const config: Config = { ...plain, policy, shadow, ...cadence, ...react };
  checkTogether(config, where);
  return config;
}

function shadowOf(given: NonNullable<FileValues["shadow"]>, where: string): Config["shadow"] {
  const { preset, calm } = given;
  const name = calm === null ? preset : `calm ${calm}`;
  return { preset: name, policy: policyOf(given, where, "shadow.") };
}

/** What belongs together must fit together. */
function checkTogether(config: Config, where: string): void {
  const { token, tls, requireAuth } = config;
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
  const { protocolMax, recordSamplesEveryMs, shadow, calm, ...texts } = settings;
  const given = {
    ...texts,
    ...(protocolMax !== undefined && { protocolMax: Number(protocolMax) }),
    ...(recordSamplesEveryMs !== undefined && {
      recordSamplesEveryMs: Number(recordSamplesEveryMs),
    }),
    ...(shadow !== undefined && { shadow: { preset: shadow } }),
    ...(calm !== undefined && { calm: calm.trim() === "" ? NaN : Number(calm) }),
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
