// One file with everything in it: the page's markup, style and script, which the build put into this bundle, and the data.
import { type PageData } from "./page-data.ts";

/** What scripts/bundle.mjs makes of apps/lab/page. */
type Page = Readonly<{ body: string; css: string; script: string }>;

declare const CHART_PAGE: Page | undefined;

/** null: this runs from its sources, and the page was not built. */
export function htmlOf(data: PageData): string | null {
  if (typeof CHART_PAGE === "undefined") return null;
  const { body, css, script } = CHART_PAGE;
  const lines = [
    "<!doctype html>",
    '<html lang="en">',
    "<head>",
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    // The page asks nobody for anything, and its browser sees to that.
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:">`,
    `<title>${escaped(data.title)}: selfscale-lab</title>`,
    `<style>${css}</style>`,
    "</head>",
    "<body>",
    body,
    `<script type="application/json" id="data">${inScript(data)}</script>`,
    `<script>${script}</script>`,
    "</body>",
    "</html>",
  ];
  return `${lines.join("\n")}\n`;
}

/** JSON that can't end its script element: a trace may be called "</script>". */
function inScript(data: PageData): string {
  return JSON.stringify(data).replaceAll("<", "\\u003c");
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
