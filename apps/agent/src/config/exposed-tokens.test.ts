import { expect, test } from "vitest";
import { exposedTokens } from "./exposed-tokens.ts";

test.for([
  { monitorUrl: "ws://10.0.0.7:10301/monitor", exposed: true },
  { monitorUrl: "ws://vm.example/monitor", exposed: true },
  { monitorUrl: "ws://127.example/monitor", exposed: true },
  { monitorUrl: "ws://[fd00::1]/monitor", exposed: true },
  { monitorUrl: "wss://10.0.0.7/monitor", exposed: false },
  { monitorUrl: "ws://localhost:10301/monitor", exposed: false },
  { monitorUrl: "ws://127.0.0.2:10301/monitor", exposed: false },
  { monitorUrl: "ws://[0:0::1]/monitor", exposed: false },
])("a token for $monitorUrl can be read on the way: $exposed", ({ monitorUrl, exposed }) => {
  const vm = { spec: { name: "pg-1" }, monitorUrl };
  expect(exposedTokens([{ ...vm, tokenFile: "t" }])).toEqual(exposed ? ["pg-1"] : []);
  expect(exposedTokens([{ ...vm, tokenFile: null }])).toEqual([]);
});
