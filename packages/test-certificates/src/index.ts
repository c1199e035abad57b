// Real certificates for tests, made in milliseconds: a CA of the test's own and what it issues.
import { isIP } from "node:net";
import { generate } from "selfsigned";

/** A certificate and its private key, both PEM. */
export type Pair = Readonly<{ cert: string; key: string }>;

export type IssueOptions = Readonly<{
  /** DNS names and IP addresses that it is good for. */
  names?: readonly string[];
  /** It ended an hour ago. */
  isExpired?: boolean;
  /** What it is for; both when not said. */
  use?: "server" | "client";
}>;

const HOUR_MS = 3_600_000;
const KIND = { keyType: "ec", curve: "P-256", algorithm: "sha256" } as const;
const DNS_NAME = 2;
const IP_ADDRESS = 7;

/** A certificate authority that nobody else knows. */
export class TestCa {
  /** PEM, for those who are to trust it. */
  readonly cert: string;
  readonly #key: string;

  private constructor({ cert, key }: Pair) {
    this.cert = cert;
    this.#key = key;
  }

  static async make(name = "test CA"): Promise<TestCa> {
    const { cert, private: key } = await generate([{ name: "commonName", value: name }], {
      ...KIND,
      ...validity(false),
      extensions: [
        { name: "basicConstraints", cA: true, critical: true },
        { name: "keyUsage", keyCertSign: true, cRLSign: true, critical: true },
      ],
    });
    return new TestCa({ cert, key });
  }

  async issue(name: string, options: IssueOptions = {}): Promise<Pair> {
    const { names = [], isExpired = false, use } = options;
    const altNames = names.map((one) =>
      isIP(one) === 0 ? { type: DNS_NAME, value: one } : { type: IP_ADDRESS, ip: one },
    ) as { type: typeof DNS_NAME | typeof IP_ADDRESS }[];
    const { cert, private: key } = await generate([{ name: "commonName", value: name }], {
      ...KIND,
      ...validity(isExpired),
      ca: { cert: this.cert, key: this.#key },
      extensions: [
        { name: "basicConstraints", cA: false, critical: true },
        { name: "keyUsage", digitalSignature: true, critical: true },
        { name: "extKeyUsage", serverAuth: use !== "client", clientAuth: use !== "server" },
        ...(altNames.length > 0 ? [{ name: "subjectAltName" as const, altNames }] : []),
      ],
    });
    return { cert, key };
  }
}

function validity(isExpired: boolean): { notBeforeDate: Date; notAfterDate: Date } {
  const end = Date.now() + (isExpired ? -HOUR_MS : HOUR_MS);
  return { notBeforeDate: new Date(end - 3 * HOUR_MS), notAfterDate: new Date(end) };
}
