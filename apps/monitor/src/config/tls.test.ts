// The settings of TLS: what is accepted, and what is said of files that can't be used.
import fs from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TlsFolder } from "../testing/tls-folder.ts";
import { type Settings } from "../cli.ts";
import { loadConfig } from "./load.ts";

let folder: TlsFolder;

beforeAll(async () => {
  folder = await TlsFolder.make();
  write("none.pem", "");
  write("broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  write("other.key", (await folder.issueServer()).key);
  write("good.token", "s3cret");
});
afterAll(() => folder.remove());

function write(name: string, text: string): string {
  fs.writeFileSync(path.join(folder.dir, name), text);
  return path.join(folder.dir, name);
}

/** Of a file whose paths lead into the folder. */
const load = (yaml: string, settings: Settings = {}) =>
  loadConfig(write("monitor.yaml", yaml.replaceAll("DIR", folder.dir)), settings);

test("is off unless it is given", async () => {
  expect((await load("")).tls).toBeNull();
});

test("a client CA may be left out", async () => {
  const { tls } = await load("tls: { cert: DIR/monitor.crt, key: DIR/monitor.key }");
  expect(tls).toEqual({ ...folder.files, clientCa: null });
});

test("the command line gives all of it, or some of it above the file", async () => {
  const { cert, key, clientCa } = folder.files;
  const all = { tlsCert: cert, tlsKey: key, tlsClientCa: clientCa ?? "" };
  expect((await loadConfig(null, all)).tls).toEqual(folder.files);
  const { tls } = await load("tls: { cert: /nowhere, key: DIR/monitor.key }", { tlsCert: cert });
  expect(tls).toEqual({ ...folder.files, clientCa: null });
});

test.for([
  "tls: { cert: DIR/monitor.crt, key: DIR/monitor.key, clientCa: DIR/agents.crt }\nrequireAuth: true",
  "tls: { cert: DIR/monitor.crt, key: DIR/monitor.key }\ntoken: DIR/good.token\nrequireAuth: true",
])("requireAuth is content with %s", async (yaml) => {
  expect((await load(yaml)).requireAuth).toBe(true);
});

const CERT = "expected a PEM file with the monitor's certificate";
const KEY = "expected a PEM file with the private key of tls.cert, without a passphrase";
const CA = "expected a PEM file with the certificates that agents' certificates are issued by";

test.for<{ yaml: string; settings?: Settings; problem: string }>([
  {
    yaml: "tls: { cert: DIR/monitor.crt, key: DIR/monitor.key }\nrequireAuth: true",
    problem: "token: nothing is given, but requireAuth expects a token file or tls.clientCa",
  },
  { yaml: "tls: on", problem: '"on" is not accepted: expected keys and values' },
  { yaml: "tls: { cert: DIR/monitor.crt }", problem: "tls.key: nothing is not accepted" },
  { yaml: "tls: { cert: c, key: k, ca: x }", problem: "tls.ca: unknown key" },
  {
    yaml: "",
    settings: { tlsKey: "x.key" },
    problem: "tls.cert: nothing is given, but tls expects both cert and key",
  },
  {
    yaml: "tls: { cert: DIR/absent.crt, key: DIR/monitor.key }",
    problem: `tls.cert: "absent.crt" is not accepted: ${CERT} (ENOENT`,
  },
  {
    yaml: "tls: { cert: DIR/none.pem, key: DIR/monitor.key }",
    problem: `tls.cert: "none.pem" is not accepted: ${CERT} (it holds no certificate)`,
  },
  {
    yaml: "tls: { cert: DIR/broken.pem, key: DIR/monitor.key }",
    problem: `tls.cert: "broken.pem" is not accepted: ${CERT} (it holds a broken certificate)`,
  },
  {
    yaml: "tls: { cert: DIR/monitor.crt, key: DIR/monitor.crt }",
    problem: `tls.key: "monitor.crt" is not accepted: ${KEY} (it holds none)`,
  },
  {
    yaml: "tls: { cert: DIR/monitor.crt, key: DIR/other.key }",
    problem: `tls.key: "other.key" is not accepted: ${KEY} (it is not the key of "monitor.crt")`,
  },
  {
    yaml: "tls: { cert: DIR/monitor.crt, key: DIR/monitor.key, clientCa: DIR/monitor.key }",
    problem: `tls.clientCa: "monitor.key" is not accepted: ${CA} (it holds no certificate)`,
  },
])("$problem", async ({ yaml, settings = {}, problem }) => {
  const error: unknown = await load(yaml, settings).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: "CONFIG_INVALID" });
  const message = (error as Error).message.replaceAll(`${folder.dir}/`, "");
  expect(message).toMatch(/^monitor\.yaml(:1)?: /);
  expect(message).toContain(problem);
  expect(message).not.toContain("PRIVATE KEY-");
});
