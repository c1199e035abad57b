import { expect, test } from "vitest";
import { forwardArgs, parseForwards } from "./ports.ts";

// As QEMU 7.2 prints it, while a connection is open.
const ANSWER = `Hub -1 (n0):
  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ
  TCP[ESTABLISHED]   21       127.0.0.1 50518       10.0.2.15 10400     0     0
  TCP[HOST_FORWARD]  13       127.0.0.1 40004       10.0.2.15 10400     0     0
  TCP[HOST_FORWARD]  12       127.0.0.1 40003       10.0.2.15  5432     0     0
  TCP[HOST_FORWARD]  11       127.0.0.1 40002       10.0.2.15  9100     0     0
  TCP[HOST_FORWARD]  10       127.0.0.1 40001       10.0.2.15 10301     0     0
`;

test("QEMU's answer tells each port", () => {
  const ports = { monitor: 40001, metrics: 40002, postgres: 40003, exec: 40004 };
  expect(parseForwards(ANSWER)).toEqual(ports);
  expect(parseForwards(ANSWER.replaceAll("\n", "\r\n"))).toEqual(ports);
});

test("a forward that is missing is not made up", () => {
  expect(parseForwards(ANSWER.replace("10301", "10302"))).toBeNull();
  expect(parseForwards("")).toBeNull();
});

test("QEMU chooses, unless a successor needs the same ports", () => {
  expect(forwardArgs(null)).toContain(",hostfwd=tcp:127.0.0.1:0-:10301");
  const ports = { monitor: 1, metrics: 2, postgres: 3, exec: 4 };
  expect(forwardArgs(ports)).toContain(",hostfwd=tcp:127.0.0.1:3-:5432");
});
