// Builds a made-up next release into the folder named: our own code, which also speaks a version 3 and words that nobody
// knows today. What it adds means nothing, so two of them get on as version 2 does.
import { readFileSync } from "node:fs";
import { APPS, bundle } from "./bundle.mjs";

/** Pieces of packages/protocol/src, and what stands there next year. */
const CHANGES = {
  "versions.ts": [
    ["[1, 2];", "[1, 2, 3];"],
    ['["size-report"];', '["size-report", "next-year"];'],
  ],
  "encode.ts": [
    ["JSON.stringify(json);", "JSON.stringify(json, nextYear);"],
    [
      /$/,
      `
/** A field more in every object, and other words for why and for "accepted". */
function nextYear(key: string, value: unknown): unknown {
  if (key === "reason") return "next-year";
  if (key === "outcome" && value === "accepted") return "granted-gladly";
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject && key !== "nextYear" ? { ...value, nextYear: { since: 3 } } : value;
}
`,
    ],
  ],
};

const nextYear = {
  name: "next-year",
  setup({ onLoad }) {
    onLoad({ filter: /packages\/protocol\/src\/(versions|encode)\.ts$/ }, ({ path }) => {
      const name = path.slice(path.lastIndexOf("/") + 1);
      let text = readFileSync(path, "utf8");
      for (const [today, then] of CHANGES[name]) {
        const changed = text.replace(today, then);
        // Otherwise the peer would be today's, and a test of it would prove nothing.
        if (changed === text) throw new Error(`${path} has no ${today}: see ${import.meta.url}`);
        text = changed;
      }
      return { contents: text, loader: "ts" };
    });
  },
};

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error("usage: node scripts/next-year.mjs FOLDER");
for (const app of APPS) await bundle(app, folder, [nextYear]);
