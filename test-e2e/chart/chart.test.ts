// `selfscale-lab chart` as users run it, and its page in a real browser.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { type Browser, type Page } from "puppeteer-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { openBrowser } from "./browser.ts";
import { drag, pixelsOf, settled, textOf } from "./page-view.ts";

const ROOT = path.join(import.meta.dirname, "../..");
const SCREENSHOTS = path.join(ROOT, ".cache/chart");
const DEADLINE_MS = 120_000;
/** The first two policies, and demand, on light ground. */
const [FIRST, SECOND, DEMAND] = ["#0072b2", "#d55e00", "#b4bdc7"];

let folder = "";
let file = "";
let browser: Browser;
let page: Page;
let problems: string[] = [];
let requests: string[] = [];

beforeAll(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), "lab-chart-"));
  file = path.join(folder, "chart.html");
  const trace = path.join(folder, "</script><b>.csv".replaceAll("/", "_"));
  // Two days of five-minute points: a night, a day.
  const rows = Array.from({ length: 576 }, (_, n) => {
    return `${n * 300},${(30 - 25 * Math.cos((2 * Math.PI * n) / 288)).toFixed(2)}`;
  });
  writeFileSync(trace, `t_s,cpu_pct\n${rows.join("\n")}\n`);
  const lab = path.join(ROOT, "dist/selfscale-lab.cjs");
  const policies = ["--policy", "neon", "static-max"];
  const args = [lab, "chart", trace, "--cpus", "4", "--out", file, ...policies];
  execFileSync(process.execPath, args, { stdio: "pipe" });
  browser = await openBrowser();
}, DEADLINE_MS);

afterAll(async () => {
  await browser.close();
  rmSync(folder, { recursive: true, force: true });
});

beforeEach(async () => {
  [problems, requests] = [[], []];
  page = await browser.newPage();
  page.on("console", (message) => problems.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => problems.push(error.message));
  page.on("request", (request) => requests.push(request.url()));
  await page.setViewport({ width: 1280, height: 1240 });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "light" }]);
  await page.goto(pathToFileURL(file).href);
  await page.waitForSelector("body[data-ready]", { timeout: DEADLINE_MS });
  await settled(page);
}, DEADLINE_MS);

afterEach(async () => {
  await page.close();
  expect(problems).toEqual([]);
  // The page itself and nothing else.
  expect(requests).toEqual([pathToFileURL(file).href]);
});

test("a day at four ticks a second is one small file, whatever the trace is called", async () => {
  expect(statSync(file).size).toBeLessThan(15e6);
  expect(await textOf(page, "h1")).toBe("<_script><b>");
  expect(await textOf(page, "#facts")).toContain("24.0 h · up to 4 vCPU and 16 GiB");
  expect(readFileSync(file, "utf8")).not.toMatch(/(src|href)=["']?http/);
});

test("every panel shows every policy, and demand where there is one", async () => {
  for (const panel of ["cpu", "memory", "waste", "wait"]) {
    expect(await pixelsOf(page, panel, FIRST), `${panel}, first`).toBeGreaterThan(100);
    expect(await pixelsOf(page, panel, SECOND), `${panel}, second`).toBeGreaterThan(100);
  }
  expect(await pixelsOf(page, "cpu", DEMAND)).toBeGreaterThan(1_000);
  expect(await pixelsOf(page, "memory", DEMAND)).toBeGreaterThan(1_000);
  expect(await pixelsOf(page, "waste", DEMAND)).toBe(0);
  mkdirSync(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: path.join(SCREENSHOTS, "light.png") });
});

test("a drag zooms in, a double-click and the button show everything again", async () => {
  expect(await textOf(page, "#range")).toBe("0:00 – 24:00");
  const paid = await textOf(page, "#scores tbody tr td:nth-of-type(9)");
  await drag(page, 0.25, 0.5);
  await settled(page);
  // A quarter of the day, to a pixel or two.
  expect(await textOf(page, "#range")).toMatch(/^(5:5\d|6:0\d) – (11:5\d|12:0\d)$/);
  expect(await textOf(page, "#scores tbody tr td:nth-of-type(9)")).not.toBe(paid);
  await page.screenshot({ path: path.join(SCREENSHOTS, "zoomed.png") });
  await page.mouse.click(640, 420, { count: 2 });
  await settled(page);
  expect(await textOf(page, "#range")).toBe("0:00 – 24:00");
  await page.click("#in");
  expect(await textOf(page, "#range")).toBe("6:00 – 18:00");
  await page.click("#reset");
  expect(await textOf(page, "#range")).toBe("0:00 – 24:00");
});

test("the keyboard reaches everything", async () => {
  await page.focus("#panels");
  for (const [key, range] of [
    ["+", "6:00 – 18:00"],
    ["ArrowRight", "12:00 – 24:00"],
    ["ArrowLeft", "6:00 – 18:00"],
    ["-", "0:00 – 24:00"],
  ] as const) {
    await page.keyboard.press(key);
    expect(await textOf(page, "#range"), key).toBe(range);
  }
  // Until a whole minute is seen, and no farther in.
  for (let times = 0; times < 30; times += 1) await page.keyboard.press("+");
  expect(await textOf(page, "#range")).toMatch(/^1[12]:\d\d:\d\d – 12:00:\d\d$/);
  await page.focus("#scores input");
  await page.keyboard.press("Space");
  await settled(page);
  expect(await pixelsOf(page, "waste", FIRST)).toBe(0);
});

test("a policy is hidden and shown again", async () => {
  const before = await pixelsOf(page, "cpu", SECOND);
  await page.click("#scores tbody tr:nth-child(2) input");
  await settled(page);
  for (const panel of ["cpu", "memory", "waste", "wait"]) {
    expect(await pixelsOf(page, panel, SECOND), panel).toBe(0);
    expect(await pixelsOf(page, panel, FIRST), panel).toBeGreaterThan(100);
  }
  await page.click("#scores tbody tr:nth-child(2) input");
  await settled(page);
  expect(await pixelsOf(page, "cpu", SECOND)).toBe(before);
});

test("the cursor's values are in the table", async () => {
  const cells = () =>
    page.$$eval("#scores tbody tr:nth-child(2) td", (all) =>
      all.slice(-3).map((one) => (one as { textContent: string }).textContent),
    );
  expect(await cells()).toEqual(["", "", ""]);
  await page.mouse.move(640, 420);
  await settled(page);
  // Always the largest size.
  expect((await cells()).slice(0, 2)).toEqual(["4.00", "16.0"]);
  await page.mouse.move(640, 20);
  await settled(page);
  expect(await cells()).toEqual(["", "", ""]);
});

test("dark ground has its own colours", async () => {
  await page.click("#theme");
  await settled(page);
  expect(await pixelsOf(page, "cpu", FIRST)).toBe(0);
  expect(await pixelsOf(page, "cpu", "#56b4e9")).toBeGreaterThan(100);
  await page.screenshot({ path: path.join(SCREENSHOTS, "dark.png") });
});
