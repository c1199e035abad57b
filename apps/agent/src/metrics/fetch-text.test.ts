import { once } from "node:events";
import http from "node:http";
import { type AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { fetchText } from "./fetch-text.ts";

const LIMITS = { timeoutMs: 2_000, maxBytes: 1_000 };
const never = new AbortController().signal;

async function serve(answer: http.RequestListener): Promise<string> {
  const server = http.createServer(answer);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`;
}

test("gives the whole body", async () => {
  const url = await serve((request, response) => {
    response.write(`${request.method ?? ""} `);
    response.end(request.url);
  });
  expect(await fetchText(url, LIMITS, never)).toBe("GET /metrics");
});

test.for<{ name: string; answer: http.RequestListener; timeoutMs?: number; problem: string }>([
  {
    name: "an error of the server",
    answer: (_, response) => response.writeHead(500).end("oops"),
    problem: "HTTP 500",
  },
  {
    name: "a redirect",
    answer: (_, response) => response.writeHead(302, { Location: "http://127.0.0.1:1/" }).end(),
    problem: "HTTP 302",
  },
  {
    name: "too much",
    answer: (_, response) => response.end("x".repeat(1_001)),
    problem: "more than 1000 bytes",
  },
  {
    name: "no answer",
    answer: () => undefined,
    timeoutMs: 50,
    problem: "no whole answer in 50 ms",
  },
  {
    name: "half an answer",
    answer: (_, response) => void response.write("half"),
    timeoutMs: 50,
    problem: "no whole answer in 50 ms",
  },
  {
    name: "a connection cut in the middle",
    answer: (_, response) => {
      response.writeHead(200, { "Content-Length": 10 });
      response.write("half", () => response.destroy());
    },
    problem: "ECONNRESET",
  },
])("$name is a problem", async ({ answer, timeoutMs = 2_000, problem }) => {
  const url = await serve(answer);
  const limits = { ...LIMITS, timeoutMs };
  await expect(fetchText(url, limits, never)).rejects.toThrow(problem);
});

test("nobody there is the system's word", async () => {
  const url = await serve(() => undefined);
  const port = Number(new URL(url).port);
  const gone = `http://127.0.0.2:${port}/`; // bound to 127.0.0.1 only
  await expect(fetchText(gone, LIMITS, never)).rejects.toThrow("ECONNREFUSED");
});

test("an abort ends it", async () => {
  const url = await serve(() => undefined);
  const stop = new AbortController();
  const text = fetchText(url, LIMITS, stop.signal);
  stop.abort();
  await expect(text).rejects.toThrow("stopped");
});
