import { expect, test } from "vitest";
import { parseBytes, parseMilliCpu, sayBytes } from "./quantities.ts";

test.for<{ value: unknown; bytes: number | null }>([
  { value: "512Mi", bytes: 536_870_912 },
  { value: "1.5Gi", bytes: 1_610_612_736 },
  { value: "2Ti", bytes: 2_199_023_255_552 },
  { value: "4Ki", bytes: 4096 },
  { value: 1073741824, bytes: 1_073_741_824 },
  { value: "1073741824", bytes: 1_073_741_824 },
  { value: 0, bytes: 0 },
  { value: "512M", bytes: null },
  { value: "512 Mi", bytes: null },
  { value: "-1Gi", bytes: null },
  { value: "0.3Ki", bytes: null },
  { value: 1.5, bytes: null },
  { value: 2 ** 60, bytes: null },
  { value: "9999999999999Ti", bytes: null },
  { value: NaN, bytes: null },
  { value: "1e9", bytes: null },
  { value: "", bytes: null },
  { value: true, bytes: null },
  { value: null, bytes: null },
])("memory $value is $bytes bytes", ({ value, bytes }) => {
  expect(parseBytes(value)).toBe(bytes);
});

test.for<{ value: unknown; milli: number | null }>([
  { value: 1, milli: 1000 },
  { value: 0.25, milli: 250 },
  { value: 0.001, milli: 1 },
  { value: 1.001, milli: 1001 },
  { value: "500m", milli: 500 },
  { value: "4", milli: 4000 },
  { value: 1024, milli: 1_024_000 },
  { value: 1025, milli: null },
  { value: 0.0005, milli: null },
  { value: "0.5m", milli: null },
  { value: "2 cores", milli: null },
  { value: -1, milli: null },
  { value: Infinity, milli: null },
  { value: ["1"], milli: null },
])("CPU $value is $milli thousandths", ({ value, milli }) => {
  expect(parseMilliCpu(value)).toBe(milli);
});

test.for([
  { bytes: 536_870_912, text: "512Mi" },
  { bytes: 1_610_612_736, text: "1.5Gi" },
  { bytes: 2_684_354_560, text: "2.5Gi" },
  { bytes: 1_342_177_280, text: "1280Mi" },
  { bytes: 5, text: "5" },
])("$bytes bytes are said as $text", ({ bytes, text }) => {
  expect(sayBytes(bytes)).toBe(text);
});
