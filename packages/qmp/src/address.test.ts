import { expect, test } from "vitest";
import { formatQmpAddress, isQmpAddress, parseQmpAddress } from "./address.ts";
import { QmpAddressError } from "./errors.ts";

test.for([
  { text: "unix:/run/vm/pg-1.qmp", want: { kind: "unix", path: "/run/vm/pg-1.qmp" } },
  { text: "unix:relative.sock", want: { kind: "unix", path: "relative.sock" } },
  { text: "unix:/with:colon and space", want: { kind: "unix", path: "/with:colon and space" } },
  { text: "unix:/" + "x".repeat(106), want: { kind: "unix", path: "/" + "x".repeat(106) } },
  { text: "tcp:127.0.0.1:4444", want: { kind: "tcp", host: "127.0.0.1", port: 4444 } },
  { text: "tcp:node-1.example:1", want: { kind: "tcp", host: "node-1.example", port: 1 } },
  { text: "tcp:[::1]:65535", want: { kind: "tcp", host: "::1", port: 65535 } },
])("reads $text and writes it back", ({ text, want }) => {
  expect(parseQmpAddress(text)).toEqual(want);
  expect(formatQmpAddress(parseQmpAddress(text))).toBe(text);
  expect(isQmpAddress(text)).toBe(true);
});

test.for([
  { text: "", expected: "unix:/path/to/socket, tcp:host:port" },
  { text: "/run/vm.qmp", expected: "unix:/path/to/socket, tcp:host:port" },
  { text: "UNIX:/run/vm.qmp", expected: "unix:/path/to/socket, tcp:host:port" },
  { text: "unix:", expected: "a path after unix:" },
  { text: "unix:/a\0b", expected: "a path after unix:" },
  { text: "unix:/" + "x".repeat(107), expected: "at most 107 bytes" },
  { text: "unix:/" + "ü".repeat(54), expected: "at most 107 bytes" },
  { text: "tcp:localhost", expected: "tcp:host:port" },
  { text: "tcp::4444", expected: "a host name" },
  { text: "tcp:a b:4444", expected: "a host name" },
  { text: "tcp:::1:4444", expected: "IPv6 address in brackets" },
  { text: "tcp:[::g]:4444", expected: "IPv6 address in brackets" },
  { text: "tcp:localhost:", expected: "a port from 1 to 65535" },
  { text: "tcp:localhost:0", expected: "a port from 1 to 65535" },
  { text: "tcp:localhost:65536", expected: "a port from 1 to 65535" },
  { text: "tcp:localhost:44x", expected: "a port from 1 to 65535" },
  { text: "tcp:localhost:-1", expected: "a port from 1 to 65535" },
])("refuses $text: expected $expected", ({ text, expected }) => {
  const read = () => parseQmpAddress(text);
  expect(read).toThrow(QmpAddressError);
  expect(read).toThrow(expected);
  expect(read).toThrow(JSON.stringify(text));
  expect(isQmpAddress(text)).toBe(false);
});
