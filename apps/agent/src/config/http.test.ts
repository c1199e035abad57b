import { expect, test } from "vitest";
import { httpOf, isExposed } from "./http.ts";

test.for([
  { text: undefined, address: { host: "127.0.0.1", port: 10330 }, isGiven: false },
  { text: "none", address: null, isGiven: true },
  { text: "127.0.0.1:0", address: { host: "127.0.0.1", port: 0 }, isGiven: true },
  { text: "[::1]:10330", address: { host: "::1", port: 10330 }, isGiven: true },
  { text: "node-1.example:80", address: { host: "node-1.example", port: 80 }, isGiven: true },
])("http: $text", ({ text, ...choice }) => {
  expect(httpOf(text)).toEqual(choice);
});

test.for([
  { host: "127.0.0.1", exposed: false },
  { host: "127.0.0.9", exposed: false },
  { host: "localhost", exposed: false },
  { host: "::1", exposed: false },
  { host: "0:0:0:0:0:0:0:1", exposed: false },
  { host: "0.0.0.0", exposed: true },
  { host: "::", exposed: true },
  { host: "10.0.0.7", exposed: true },
  { host: "node-1.example", exposed: true },
])("others can read what is served at $host: $exposed", ({ host, exposed }) => {
  expect(isExposed({ host, port: 1 })).toBe(exposed);
});
