import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type RepoFile } from "./source.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** Every text file that git has or would add: what is ignored is nobody's business. */
export function repositoryFiles(): readonly RepoFile[] {
  const args = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
  const listed = execFileSync("git", args, { cwd: ROOT, encoding: "utf8" });
  return listed
    .split("\0")
    .filter((path) => path !== "" && existsSync(ROOT + path)) // deleted, and not yet committed
    .map((path) => ({ path, text: readFileSync(ROOT + path, "utf8") }))
    .filter(({ text }) => !text.includes("\0"));
}
