import { X509Certificate } from "node:crypto";
import fs from "node:fs";
import tls from "node:tls";
import { clipText } from "@selfscale/protocol";

/** One VM's side of wss: paths of PEM files, absolute. The monitor's certificate is always checked. */
export type MonitorTls = Readonly<{
  /** Who may have issued the monitor's certificate; null: the CAs that this system trusts. */
  ca: string | null;
  /** The agent's own certificate and its key, where the monitor asks for one. */
  client: Readonly<{ cert: string; key: string }> | null;
  /** Name that the monitor's certificate must have; null: the address that is dialled. */
  serverName: string | null;
}>;

/** For a wss monitor without `tls`. */
export const SYSTEM_TLS: MonitorTls = { ca: null, client: null, serverName: null };

/**
 * What a dial needs, with the files as they are now. Throws an error that names the file which
 * can't be used.
 */
export function dialOptions({ ca, client, serverName }: MonitorTls): tls.ConnectionOptions {
  const files: tls.SecureContextOptions = {
    minVersion: "TLSv1.2",
    ...(ca !== null && { ca: readCertificates(ca) }),
    ...(client !== null && { cert: readCertificates(client.cert), key: readPem(client.key) }),
  };
  return {
    secureContext: secureContextOf(files, client),
    // Said although it is the default: NODE_TLS_REJECT_UNAUTHORIZED must not turn it off.
    rejectUnauthorized: true,
    ...(serverName !== null && { servername: serverName }),
  };
}

function secureContextOf(files: tls.SecureContextOptions, client: MonitorTls["client"]) {
  try {
    return tls.createSecureContext(files);
  } catch (error) {
    const pair = client === null ? "the TLS files" : `${client.cert} and ${client.key}`;
    const problem = `${pair} can't be used together: expected a certificate and its private key`;
    throw new Error(`${problem}, without a passphrase`, { cause: error });
  }
}

/** OpenSSL takes a file without certificates for one that trusts nobody, and says nothing. */
function readCertificates(file: string): string {
  const text = readPem(file);
  try {
    new X509Certificate(text);
  } catch (error) {
    throw new Error(`${file} holds no certificate, expected PEM`, { cause: error });
  }
  return text;
}

function readPem(file: string): string {
  return fs.readFileSync(file, "utf8");
}

/** OpenSSL's codes for a certificate that it does not accept, and node's for one of another host. */
const CERTIFICATE_CODES =
  /^(CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|INVALID_|PATH_LENGTH_|ERR_TLS_CERT_ALTNAME_)/;
/** The part that people can use: between OpenSSL's function and its source file. */
const OPENSSL_REASON = /:SSL routines:[^:]*:([^:]+):/;
/** The names in a certificate are the other side's words, and may be many. Bytes. */
const MAX_WORDS_BYTES = 200;

/** What went wrong in TLS; null when the error is none of it. */
export function sayTlsError({ code = "", message }: NodeJS.ErrnoException): string | null {
  if (CERTIFICATE_CODES.test(code)) {
    const words = clipText(message, MAX_WORDS_BYTES);
    return `the monitor's certificate is not accepted: ${words} (${code})`;
  }
  const reason = OPENSSL_REASON.exec(message)?.[1];
  return reason === undefined ? null : `no TLS with the monitor: ${reason}`;
}
