import { expect, test } from "vitest";
import { readCommand } from "../../cli.ts";
import { SQL_HELP } from "./command.ts";

test("what is given is taken, what is not is left to the file and the defaults", () => {
  expect(readCommand(["sql", "install"])).toEqual({
    kind: "sql",
    options: { verb: "install", isPrint: false, configFile: null, given: {} },
  });
  const all =
    "sql upgrade --print --config a --host b --port 1 --user c --password-file d --database e --folder /f";
  expect(readCommand(all.split(" "))).toEqual({
    kind: "sql",
    options: {
      ...{ verb: "upgrade", isPrint: true, configFile: "a" },
      given: { host: "b", port: "1", user: "c", passwordFile: "d", database: "e", folder: "/f" },
    },
  });
  expect(readCommand(["sql", "--help"])).toEqual({ kind: "print", text: SQL_HELP });
});

test.for([
  { args: "sql", problem: "sql nothing: expected one of install, upgrade, remove, status" },
  { args: "sql drop", problem: 'sql "drop": expected one of install, upgrade, remove, status' },
  { args: "sql install now", problem: 'unexpected argument "now"' },
  { args: "sql status --print", problem: "--print: status has no script" },
  { args: "sql install --socket x", problem: "Unknown option '--socket'" },
])("$args: $problem", ({ args, problem }) => {
  const mistake = { kind: "mistake", problem: `${problem} (see selfscale-monitor sql --help)` };
  expect(readCommand(args.split(" "))).toEqual(mistake);
});
