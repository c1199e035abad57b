// What a test of the SQL functions asks of a session: rows, or the error that it ends with.
import { type Client, type DatabaseError } from "pg";

type Row = Record<string, unknown>;

export async function rowsOf(client: Client, text: string): Promise<readonly Row[]> {
  return (await client.query<Row>(text)).rows;
}

/** The first row; empty when there is none. */
export async function rowOf(client: Client, text: string): Promise<Row> {
  return (await rowsOf(client, text))[0] ?? {};
}

export const reserve = (client: Client, args: string): Promise<Row> =>
  rowOf(client, `SELECT * FROM selfscale.reserve(${args})`);

/** SQLSTATE, message and the rest of the error that a statement ends with. */
export async function refusalOf(client: Client, text: string): Promise<DatabaseError> {
  try {
    await client.query(text);
  } catch (error) {
    return error as DatabaseError;
  }
  throw new Error(`expected an error of ${text}`);
}
