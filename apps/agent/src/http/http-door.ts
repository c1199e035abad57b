import { isExposed, type HttpChoice } from "../config/http.ts";
import { HttpAddressError, HttpServer } from "./http-server.ts";
import { type Telemetry } from "./telemetry.ts";

/** What of the telemetry is served, and where, as the configuration wants it. */
export class HttpDoor {
  readonly #server: HttpServer | null;
  /** `host:port`; null: nothing is served. */
  readonly address: string | null;
  /** What the operator should know about it. */
  readonly warnings: readonly string[];

  private constructor(server: HttpServer | null, address: string | null, warnings: string[]) {
    this.#server = server;
    this.address = address;
    this.warnings = warnings;
  }

  /** Rejects with HttpAddressError when the address that the operator gave can't be served. */
  static async open({ address, isGiven }: HttpChoice, telemetry: Telemetry): Promise<HttpDoor> {
    if (address === null) return new HttpDoor(null, null, []);
    const server = new HttpServer(address, telemetry.pages());
    try {
      const { host } = address;
      const shown = `${host.includes(":") ? `[${host}]` : host}:${await server.listen()}`;
      const exposed = "whoever reaches the address of /metrics can read the VMs' names and sizes";
      return new HttpDoor(server, shown, isExposed(address) ? [exposed] : []);
    } catch (error) {
      // Nobody asked for the address that is served by default: sizing VMs matters more than showing it.
      if (isGiven || !(error instanceof HttpAddressError)) throw error;
      const advice = "no metrics: set http to an address that is free, or to none";
      return new HttpDoor(null, null, [`${error.message}; ${advice}`]);
    }
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
  }
}
