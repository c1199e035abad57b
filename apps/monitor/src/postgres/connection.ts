// One connection to PostgreSQL, opened within a deadline and ended at once when asked to.
import fs from "node:fs";
import net from "node:net";
import type { Client } from "pg";
import { type PostgresSettings } from "./settings.ts";

/** As shown in pg_stat_activity, so that whoever counts clients can leave us out. */
export const APPLICATION_NAME = "selfscale-monitor";

export type Row = Readonly<Record<string, unknown>>;

/** Where and as whom; what a connection needs of the settings. */
export type ConnectionSettings = Pick<
  PostgresSettings,
  "host" | "port" | "user" | "passwordFile" | "database"
>;

export class PostgresConnection {
  readonly #client: Client;
  readonly #socket: net.Socket;
  /** Settles with the reason when the connection has ended, whoever ended it. Never rejects. */
  readonly ended: Promise<string>;

  private constructor(client: Client, socket: net.Socket) {
    this.#client = client;
    this.#socket = socket;
    this.ended = new Promise((resolve) => {
      // "error" comes first and knows why; without a listener it would end the process.
      client.on("error", (error: Error) => resolve(error.message));
      client.on("end", () => resolve("the connection was closed"));
    });
  }

  /** Rejects with PostgreSQL's own error (`code` is its SQLSTATE) or the socket's, after `deadlineMs` at the latest. */
  static async open(
    settings: ConnectionSettings,
    timing: Readonly<{ deadlineMs: number; statementTimeoutMs: number; signal?: AbortSignal }>,
  ): Promise<PostgresConnection> {
    const password = readPassword(settings.passwordFile);
    // Loaded only where there is a PostgreSQL: a guest has no memory to spare for what it does not use.
    const pg = await import("pg");
    const socket = new net.Socket();
    const { host, port, user, database } = settings;
    const client = new pg.Client({
      ...{ host, port, user, database, password },
      ssl: false,
      stream: () => socket, // kept, for a connection that hangs is ended by its socket only
      application_name: APPLICATION_NAME,
      statement_timeout: timing.statementTimeoutMs,
      // Others may have made functions in the databases that we look at.
      options: "-c search_path=pg_catalog",
      connectionTimeoutMillis: timing.deadlineMs,
    });
    const connection = new PostgresConnection(client, socket);
    const giveUp = () => connection.destroy();
    timing.signal?.addEventListener("abort", giveUp);
    try {
      await client.connect();
    } catch (error) {
      connection.destroy();
      throw explained(error as Error, timing.deadlineMs);
    } finally {
      timing.signal?.removeEventListener("abort", giveUp);
    }
    return connection;
  }

  /** One query at a time. Rejects with PostgreSQL's error, or when the connection ends. */
  async run(text: string, values: readonly unknown[]): Promise<readonly Row[]> {
    const result = await this.#client.query<Record<string, unknown>>(text, [...values]);
    return result.rows;
  }

  /** Several statements in one message, without parameters: one transaction unless they say otherwise. */
  async runScript(text: string): Promise<void> {
    await this.#client.query(text);
  }

  /** Says goodbye, so that the server does not log a lost client. */
  async close(deadlineMs: number): Promise<void> {
    const timer = setTimeout(() => this.destroy(), deadlineMs);
    await this.#client.end().catch(() => undefined);
    clearTimeout(timer);
    this.destroy();
  }

  /** At once. What was running is rejected. */
  destroy(): void {
    this.#socket.destroy();
  }
}

/** "" keeps the driver from looking for a password where nobody told it to: the environment, ~/.pgpass. */
function readPassword(file: string | null): string {
  return file === null ? "" : fs.readFileSync(file, "utf8").trim();
}

/** The driver's two sentences that do not say what to do. */
function explained(error: Error, deadlineMs: number): Error {
  const { message } = error;
  if (message === "timeout expired") return new Error(`no answer within ${deadlineMs} ms`);
  if (/client password must be a/.test(message)) {
    return new Error("the server asks for a password, and postgres.passwordFile gives none");
  }
  return error;
}
