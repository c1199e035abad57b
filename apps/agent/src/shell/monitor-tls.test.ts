// wss to monitors with real certificates: which ones are believed, what is said of the others, what is shown to them.
import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
import { type AddressInfo } from "node:net";
import path from "node:path";
import { type TLSSocket } from "node:tls";
import { TestCa, type IssueOptions } from "@selfscale/test-certificates";
import { beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { startLink, type LinkRig } from "../testing/link.ts";
import { startMonitor } from "../testing/monitor.ts";
import { makeTempDir } from "../testing/temp-dir.ts";
import { PATIENT, until } from "../testing/wait.ts";
import { SYSTEM_TLS } from "./monitor-tls.ts";

vi.setConfig(PATIENT);

const HERE = { names: ["127.0.0.1"] };
let monitors: TestCa;
let agents: TestCa;

beforeAll(async () => {
  [monitors, agents] = [await TestCa.make("monitors"), await TestCa.make("agents")];
});

/** A folder with these files in it, by their paths. */
function write<Names extends string>(texts: Record<Names, string>): Record<Names, string> {
  const folder = makeTempDir();
  const files = Object.entries<string>(texts).map(([name, text]) => {
    fs.writeFileSync(path.join(folder, name), text);
    return [name, path.join(folder, name)];
  });
  return Object.fromEntries(files) as Record<Names, string>;
}

const startSecure = async (issue: IssueOptions = HERE, more: object = {}) =>
  startMonitor(undefined, { ...(await monitors.issue("vm", issue)), ...more });
const opened = ({ events }: LinkRig) =>
  until("an open link", () => events.find(({ kind }) => kind === "link-opened"));
const firstProblem = ({ problems }: LinkRig) => until("a problem", () => problems[0]);

test("a given CA, a client certificate and a token, all over TLS 1.2 or later", async () => {
  const asks = { requestCert: true, rejectUnauthorized: true, ca: agents.cert };
  const monitor = await startSecure(HERE, asks);
  const { cert, key } = await agents.issue("node-7", { use: "client" });
  const files = write({ ca: monitors.cert, cert, key, token: "s3cret" });
  const tls = { ca: files.ca, client: files, serverName: null };
  await opened(startLink(monitor.url, { tls, tokenFile: files.token }));
  const [connection] = monitor.connections;
  expect(connection?.request.headers.authorization).toBe("Bearer s3cret");
  const socket = connection?.request.socket as TLSSocket;
  expect(socket.getPeerCertificate().subject.CN).toBe("node-7");
  expect(socket.getProtocol()).toBe("TLSv1.3");
});

test("a certificate for another name is believed for that name", async () => {
  const monitor = await startSecure({ names: ["vm-1.example"] });
  const tls = { ca: write({ ca: monitors.cert }).ca, client: null, serverName: "vm-1.example" };
  await opened(startLink(monitor.url, { tls }));
  expect((monitor.connections[0]?.request.socket as TLSSocket).servername).toBe("vm-1.example");
});

test.for<{ name: string; issue?: IssueOptions; serverName?: string; problem: string }>([
  {
    name: "has expired",
    issue: { ...HERE, isExpired: true },
    problem: "certificate has expired (CERT_HAS_EXPIRED)",
  },
  {
    name: "is for another address",
    issue: { names: ["127.0.0.9"] },
    problem:
      "Hostname/IP does not match certificate's altnames: IP: 127.0.0.1 is not in the cert's list: 127.0.0.9 (ERR_TLS_CERT_ALTNAME_INVALID)",
  },
  {
    name: "is for another name than the one asked for",
    serverName: "vm-2.example",
    problem:
      "Hostname/IP does not match certificate's altnames: Host: vm-2.example. is not cert's CN: vm (ERR_TLS_CERT_ALTNAME_INVALID)",
  },
  {
    name: "is an agent's",
    issue: { ...HERE, use: "client" },
    problem: "unsuitable certificate purpose (INVALID_PURPOSE)",
  },
])("a certificate that $name is not believed", async ({ issue, serverName = null, problem }) => {
  const monitor = await startSecure(issue);
  const tls = { ca: write({ ca: monitors.cert }).ca, client: null, serverName };
  const rig = startLink(monitor.url, { tls, tokenFile: write({ token: "s3cret" }).token });
  expect(await firstProblem(rig)).toBe(`the monitor's certificate is not accepted: ${problem}`);
  await until("another dial", () => (rig.counts.get("dials") ?? 0) > 1);
  expect(monitor.connections).toEqual([]);
});

test.for([
  { name: "another CA", ca: () => write({ ca: agents.cert }).ca },
  { name: "the system's CAs", ca: () => SYSTEM_TLS.ca },
])("$name: not believed, whatever the environment says", async ({ ca }) => {
  vi.stubEnv("NODE_TLS_REJECT_UNAUTHORIZED", "0");
  onTestFinished(() => void vi.unstubAllEnvs());
  const monitor = await startSecure();
  const rig = startLink(monitor.url, { tls: { ...SYSTEM_TLS, ca: ca() } });
  expect(await firstProblem(rig)).toBe(
    "the monitor's certificate is not accepted: unable to verify the first certificate (UNABLE_TO_VERIFY_LEAF_SIGNATURE)",
  );
  expect(monitor.connections).toEqual([]);
});

test("a monitor without TLS, or only with an old one, is not spoken to", async () => {
  const plain = await startMonitor();
  const tls = { ...SYSTEM_TLS, ca: write({ ca: monitors.cert }).ca };
  const one = startLink(plain.url.replace("ws:", "wss:"), { tls });
  expect(await firstProblem(one)).toBe("no TLS with the monitor: wrong version number");
  const old = { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" };
  const other = startLink((await startSecure(HERE, old)).url, { tls });
  expect(await firstProblem(other)).toBe("no TLS with the monitor: tlsv1 alert protocol version");
});

test("a monitor that asks for a certificate is told of none", async () => {
  const asks = { requestCert: true, rejectUnauthorized: true, ca: agents.cert };
  const monitor = await startSecure(HERE, asks);
  const tls = { ...SYSTEM_TLS, ca: write({ ca: monitors.cert }).ca };
  expect(await firstProblem(startLink(monitor.url, { tls }))).toBe(
    "no TLS with the monitor: tlsv13 alert certificate required",
  );
});

test("files are read at each dial: a problem names the file, and its repair is enough", async () => {
  const monitor = await startSecure();
  const { cert, key } = await agents.issue("node-7");
  const { key: otherKey } = await agents.issue("node-8");
  const files = write({ ca: monitors.cert, cert, key: otherKey });
  const rig = startLink(monitor.url, { tls: { ca: files.ca, client: files, serverName: null } });
  const problem = (part: string) =>
    until(part, () => rig.problems.find((text) => text.includes(part)));
  await problem(
    `${files.cert} and ${files.key} can't be used together: expected a certificate and its private key`,
  );
  fs.writeFileSync(files.key, key);
  fs.writeFileSync(files.ca, "no PEM");
  await problem(`${files.ca} holds no certificate, expected PEM`);
  fs.rmSync(files.ca);
  await problem("ENOENT");
  fs.writeFileSync(files.ca, monitors.cert);
  await opened(rig);
  expect(rig.problems.join()).not.toContain("PRIVATE KEY-");
});

test("a token is sent to nobody that a redirect names", async () => {
  const other = await startMonitor();
  const redirects = http.createServer();
  redirects.on("upgrade", (_request, socket) => {
    socket.on("error", () => undefined); // whoever dialled may hang up first
    socket.end(`HTTP/1.1 302 Found\r\nLocation: ${other.url}\r\nContent-Length: 0\r\n\r\n`);
  });
  redirects.listen(0, "127.0.0.1");
  await once(redirects, "listening");
  onTestFinished(() => void redirects.close());
  const { port } = redirects.address() as AddressInfo;
  const { token } = write({ token: "s3cret" });
  const rig = startLink(`ws://127.0.0.1:${port}/monitor`, { tokenFile: token });
  await until("three dials", () => rig.problems.length >= 3);
  expect(rig.problems[0]).toBe("the upgrade was refused with HTTP 302");
  expect(other.connections).toEqual([]);
});
