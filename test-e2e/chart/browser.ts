// A real browser without a screen: Debian's chromium, in either of its packages.
import { accessSync, constants } from "node:fs";
import path from "node:path";
import puppeteer, { type Browser } from "puppeteer-core";

const NAMES = ["chromium-headless-shell", "chromium"];
const START_TIMEOUT_MS = 60_000;

export async function openBrowser(): Promise<Browser> {
  return await puppeteer.launch({
    executablePath: findBrowser(),
    headless: "shell",
    // As root there is no sandbox; the page is ours.
    args: ["--no-sandbox", "--disable-gpu"],
    timeout: START_TIMEOUT_MS,
  });
}

function findBrowser(): string {
  const folders = (process.env["PATH"] ?? "").split(path.delimiter);
  const candidates = NAMES.flatMap((name) => folders.map((folder) => path.join(folder, name)));
  const found = candidates.find((file) => isProgram(file));
  if (found === undefined) throw new Error(`none of ${NAMES.join(", ")} is there: run make setup`);
  return found;
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false; // not in this folder
  }
}
