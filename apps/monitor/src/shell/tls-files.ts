import { constants, createHash, createPrivateKey, X509Certificate } from "node:crypto";
import fs from "node:fs";
import tls from "node:tls";

/** Paths of PEM files. With `clientCa` agents must show a certificate that it issued. */
export type TlsFiles = Readonly<{ cert: string; key: string; clientCa: string | null }>;

/** What is in them, checked, for `tls.createServer`. */
export type TlsMaterial = Readonly<{
  options: tls.SecureContextOptions;
  /** Differs when any of the files does. */
  digest: string;
  /** End of the certificate's life. */
  validTo: string;
}>;

/** One of the files can't be used. The message says which, and what was expected. */
export class TlsFileError extends Error {
  override readonly name = "TlsFileError";
  readonly code = "TLS_FILE_INVALID";
  /** The setting that names the file. */
  readonly setting: keyof TlsFiles;

  constructor(setting: keyof TlsFiles, message: string, cause?: unknown) {
    super(message, { cause });
    this.setting = setting;
  }
}

const EXPECTED = {
  cert: "a PEM file with the monitor's certificate",
  key: "a PEM file with the private key of tls.cert, without a passphrase",
  clientCa: "a PEM file with the certificates that agents' certificates are issued by",
};
const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** Reads and checks the files. Throws TlsFileError for the first that can't be used. */
export function readTlsFiles(files: TlsFiles): TlsMaterial {
  const cert = read("cert", files.cert);
  const key = read("key", files.key);
  const ca = files.clientCa === null ? null : read("clientCa", files.clientCa);
  const own = certificateIn("cert", files.cert, cert);
  if (ca !== null) certificateIn("clientCa", files.clientCa ?? "", ca);
  const privateKey = attempt("key", files.key, "it holds none", () => createPrivateKey(key));
  if (!own.checkPrivateKey(privateKey)) {
    throw unusable("key", files.key, `it is not the key of ${JSON.stringify(files.cert)}`);
  }
  const options = {
    cert,
    key,
    ...(ca !== null && { ca }),
    minVersion: "TLSv1.2",
    // A resumed session would be believed by the files of the time when it began.
    secureOptions: constants.SSL_OP_NO_TICKET,
  } satisfies tls.SecureContextOptions;
  // What OpenSSL refuses for its own reasons, a key that is too short for instance.
  attempt("cert", files.cert, null, () => tls.createSecureContext(options));
  const digest = createHash("sha256")
    .update(JSON.stringify([cert, key, ca]))
    .digest("hex");
  return { options, digest, validTo: own.validTo };
}

function read(setting: keyof TlsFiles, file: string): string {
  return attempt(setting, file, null, () => fs.readFileSync(file, "utf8"));
}

/** The first certificate; all of them must be readable. */
function certificateIn(setting: keyof TlsFiles, file: string, pem: string): X509Certificate {
  const [first, ...others] = pem.match(PEM_CERTIFICATE) ?? [];
  if (first === undefined) throw unusable(setting, file, "it holds no certificate");
  return attempt(setting, file, "it holds a broken certificate", () => {
    for (const other of others) new X509Certificate(other);
    return new X509Certificate(first);
  });
}

/** `problem`: what to say of an error; null: its own words. */
function attempt<T>(
  setting: keyof TlsFiles,
  file: string,
  problem: string | null,
  action: () => T,
): T {
  try {
    return action();
  } catch (error) {
    throw unusable(setting, file, problem ?? (error as Error).message, error);
  }
}

function unusable(setting: keyof TlsFiles, file: string, problem: string, cause?: unknown) {
  const message = `${JSON.stringify(file)} is not accepted: expected ${EXPECTED[setting]} (${problem})`;
  return new TlsFileError(setting, message, cause);
}
