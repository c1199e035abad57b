import net from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { until } from "../testing/wait.ts";
import { HttpAddressError, HttpServer, type Pages } from "./http-server.ts";

const GOOD: Pages = {
  metrics: () => Promise.resolve("a 1\n"),
  metricsType: "text/plain; version=0.0.4; charset=utf-8",
  liveness: () => [],
  readiness: () => [],
};

async function serve(pages: Partial<Pages> = {}, host = "127.0.0.1") {
  const server = new HttpServer({ host, port: 0 }, { ...GOOD, ...pages });
  const port = await server.listen();
  onTestFinished(() => server.stop());
  return { port, url: `http://${host}:${port}` };
}

test.for([
  { path: "/metrics", code: 200, body: "a 1\n" },
  { path: "/metrics?x=1", code: 200, body: "a 1\n" },
  { path: "/healthz", code: 200, body: "ok\n" },
  { path: "/readyz", code: 200, body: "ok\n" },
  { path: "/", code: 404, body: "only /metrics, /healthz and /readyz are here\n" },
  { path: "/metrics/x", code: 404, body: "only /metrics, /healthz and /readyz are here\n" },
])("GET $path is $code", async ({ path, code, body }) => {
  const { url } = await serve();
  const response = await fetch(`${url}${path}`);
  expect([response.status, await response.text()]).toEqual([code, body]);
});

test("the page has the media type that scrapers look for", async () => {
  const { url } = await serve();
  const { headers } = await fetch(`${url}/metrics`);
  expect(headers.get("content-type")).toBe(GOOD.metricsType);
});

test.for([
  { path: "/healthz", pages: { liveness: () => ["the loop of pg-1 died", "it is late"] } },
  { path: "/readyz", pages: { readiness: () => ["the loop of pg-1 died", "it is late"] } },
])("$path with problems is 503 and lists them", async ({ path, pages }) => {
  const { url } = await serve(pages);
  const response = await fetch(`${url}${path}`);
  expect([response.status, await response.text()]).toEqual([
    503,
    "the loop of pg-1 died\nit is late\n",
  ]);
});

test("nothing can be changed through it", async () => {
  const { url } = await serve();
  const response = await fetch(`${url}/metrics`, { method: "POST", body: "x" });
  expect([response.status, response.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
});

test("who asks while a page is made gets the same one; the next is made anew", async () => {
  let made = 0;
  let finish: (page: string) => void = () => undefined;
  const { port, url } = await serve({
    metrics: () => {
      made += 1;
      return new Promise((resolve) => (finish = resolve));
    },
  });
  const socket = net.connect(port, "127.0.0.1");
  onTestFinished(() => void socket.destroy());
  let heard = "";
  socket.setEncoding("utf8").on("data", (text: string) => (heard += text));
  // Two requests in one piece: the server has read both before it can answer either.
  socket.write("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n".repeat(2));
  await until("the first page to be begun", () => made === 1);
  finish("page\n");
  await until("both answers", () => heard.split("page\n").length === 3);
  expect(made).toBe(1);
  const third = fetch(`${url}/metrics`);
  await until("another page to be begun", () => made === 2);
  finish("other\n");
  expect(await (await third).text()).toBe("other\n");
});

test("a page that can't be made is a 500, and the next is tried", async () => {
  let made = 0;
  const metrics = () => {
    made += 1;
    return made === 1 ? Promise.reject(new Error("on purpose")) : Promise.resolve("a 1\n");
  };
  const { url } = await serve({ metrics });
  const first = await fetch(`${url}/metrics`);
  expect([first.status, await first.text()]).toEqual([500, "Error: on purpose\n"]);
  expect((await fetch(`${url}/metrics`)).status).toBe(200);
});

test("an address that is taken, or nobody's, is one sentence", async () => {
  const { port } = await serve();
  const taken = new HttpServer({ host: "127.0.0.1", port }, GOOD).listen();
  await expect(taken).rejects.toThrow(
    new HttpAddressError(`127.0.0.1:${port} can't be served (EADDRINUSE)`),
  );
  const foreign = new HttpServer({ host: "192.0.2.1", port: 0 }, GOOD).listen();
  await expect(foreign).rejects.toThrow("192.0.2.1:0 can't be served (EADDRNOTAVAIL)");
});
