import { expect, test } from "vitest";
import { readReserve } from "./reserve-options.ts";

const DEFAULTS = { socketPath: "/run/m.sock", owner: "anna" };
const read = (args: string) =>
  readReserve(
    args.split(" ").filter((word) => word !== ""),
    DEFAULTS,
  );

test("everything that can be said", () => {
  const args =
    "--memory 4Gi --cpu 2.5 --for 10m --wait 5s --if-refused proceed --reason big --status /x -- make -j 4 --for fun";
  expect(read(args)).toEqual({
    ok: true,
    options: {
      socketPath: "/x",
      waitMs: 5_000,
      holdMs: 600_000,
      ifRefused: "proceed",
      command: ["make", "-j", "4", "--for", "fun"],
      wish: {
        ...{ door: "command", bound: true, owner: "anna", reason: "big", ifNotGranted: "proceed" },
        ...{ memory: "4Gi", cpu: 2.5, wait: "5s", hold: "10m" },
      },
    },
  });
});

test("what is not said is left to the monitor", () => {
  expect(read("--memory 512Mi -- sort big.txt")).toEqual({
    ok: true,
    options: {
      socketPath: "/run/m.sock",
      waitMs: 30_000,
      holdMs: null,
      ifRefused: "fail",
      command: ["sort", "big.txt"],
      wish: {
        ...{ door: "command", bound: true, owner: "anna", ifNotGranted: "fail" },
        ...{ memory: "512Mi", reason: "sort big.txt" },
      },
    },
  });
});

test.for([
  ["--memory 1Gi", "reserve expects a command after --"],
  ["--memory 1Gi --", "reserve expects a command after --"],
  ["--memory 1Gi sort -- sort", "Unexpected argument 'sort'"],
  ["-- sort", "reserve expects --memory, --cpu or both"],
  [
    "--memory 0 -- sort",
    '--memory: "0" is not accepted: expected more than 0: an integer of bytes',
  ],
  ["--memory 12bananas -- sort", '--memory: "12bananas" is not accepted'],
  ["--cpu 0 -- sort", '--cpu: "0" is not accepted: expected a number of vCPUs (2, 0.5)'],
  ["--cpu -1 -- sort", "Option '--cpu' argument is ambiguous"],
  ["--cpu 2 --wait 5 -- sort", '--wait: "5" is not accepted: expected a number with ms'],
  ["--cpu 2 --for ever -- sort", '--for: "ever" is not accepted'],
  [
    "--cpu 2 --if-refused no -- sort",
    '--if-refused: "no" is not accepted: expected fail or proceed',
  ],
  ["--cpu 2 --cpus 3 -- sort", "Unknown option '--cpus'"],
])("%s: %s", ([args, problem]) => {
  const said = read(args ?? "");
  expect(said.ok ? "" : said.problem).toContain(problem);
});
