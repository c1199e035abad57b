// Shell commands in the guest, beside everything under test. The other end is guest/files/exec-server.pl.
import { connect } from "node:net";

/** stdout and stderr are whole; `code` is 128 + n for a command ended by signal n. */
export type ExecResult = Readonly<{ code: number; stdout: string; stderr: string }>;

export type ExecOptions = Readonly<{
  /** From the call to the last byte; the command is killed then. Default 60 s. */
  timeoutMs?: number;
}>;

export class ExecError extends Error {
  override readonly name = "ExecError";
}

/** Runs one command. Throws ExecError when the guest gives no whole answer in time. */
export async function execInGuest(
  port: number,
  command: string,
  { timeoutMs = 60_000 }: ExecOptions = {},
): Promise<ExecResult> {
  const reply = await new Promise<Buffer>((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect(port, "127.0.0.1");
    const fail = (why: string, cause?: Error) => {
      clearTimeout(timer);
      socket.destroy();
      reject(new ExecError(`${why}: ${command}`, { cause }));
    };
    const timer = setTimeout(() => fail(`no answer within ${timeoutMs} ms`), timeoutMs);
    socket.on("error", (cause) => fail("the connection broke", cause));
    socket.on("data", (chunk) => chunks.push(chunk));
    socket.on("end", () => {
      clearTimeout(timer);
      socket.destroy();
      resolve(Buffer.concat(chunks));
    });
    const text = Buffer.from(command);
    socket.write(`${text.length}\n`);
    // Not ended: the server takes a closed connection as the wish to stop.
    socket.write(text);
  });
  return readReply(reply, command);
}

function readReply(reply: Buffer, command: string): ExecResult {
  const head = reply.indexOf("\n");
  const [code, outBytes, errBytes] = reply
    .subarray(0, Math.max(head, 0))
    .toString()
    .split(" ")
    .map(Number);
  const body = reply.subarray(head + 1);
  if (
    code === undefined ||
    outBytes === undefined ||
    body.length !== outBytes + (errBytes ?? NaN)
  ) {
    throw new ExecError(`half an answer (${reply.length} bytes): ${command}`);
  }
  const stdout = body.subarray(0, outBytes).toString();
  return { code, stdout, stderr: body.subarray(outBytes).toString() };
}
