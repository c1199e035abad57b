// The page's script: unpacks the run, draws the panels, and lets the reader zoom, move and choose.
import { type PageData } from "../src/replay/chart/page-data.ts";
import { clock } from "./format.ts";
import { makePanels, showLines, showRange, type Panel } from "./panels.ts";
import { unpackAll, type Range, type Series } from "./series.ts";
import { makeTable } from "./table.ts";
import { switchTheme } from "./theme.ts";

/** Nobody needs to see less than this many ticks. */
const LEAST_TICKS = 40;
const MANY_POLICIES = 3;

void start();

async function start(): Promise<void> {
  const data = JSON.parse(document.getElementById("data")?.textContent ?? "") as PageData;
  const series = await unpackAll(data);
  show(data, series);
  document.body.dataset["ready"] = "yes";
}

function show(data: PageData, series: Series): void {
  const { ticks, tickSec, policies } = data;
  let view: Range = { from: 0, until: ticks };
  let shown = { policies: policies.map(() => true), desired: policies.length <= MANY_POLICIES };
  const table = makeTable(data, series, (policy, isShown) => {
    shown = { ...shown, policies: shown.policies.with(policy, isShown) };
    showLines(panels, shown);
  });
  const look = (range: Range) => {
    view = within(range, ticks);
    showRange(panels, view, tickSec);
    table.showView(view);
    sayRange(view, data);
  };
  const panels = makePanels(data, series, {
    onSelect: (from, until) => look({ from: from / tickSec, until: until / tickSec }),
    onReset: () => look({ from: 0, until: ticks }),
    onCursor: (at) => table.showCursor(at === null ? null : Math.floor(at / tickSec)),
  });
  const paint = () => {
    table.paint();
    for (const { plot } of panels) plot.redraw(false);
  };
  listenToButtons({
    in: () => look(zoomed(view, 0.5)),
    out: () => look(zoomed(view, 2)),
    left: () => look(moved(view, -0.5, ticks)),
    right: () => look(moved(view, 0.5, ticks)),
    reset: () => look({ from: 0, until: ticks }),
    theme: () => {
      switchTheme();
      paint();
    },
  });
  const desired = document.getElementById("desired");
  if (desired instanceof HTMLInputElement) {
    desired.checked = shown.desired;
    desired.addEventListener("change", () => {
      shown = { ...shown, desired: desired.checked };
      showLines(panels, shown);
    });
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
  const fit = () => {
    fitWidth(panels);
    look(view);
  };
  addEventListener("resize", fit);
  sayFacts(data);
  showLines(panels, shown);
  paint();
  fit();
}

function sayFacts({ title, facts, notes }: PageData): void {
  const say = (id: string, text: string) => {
    const place = document.getElementById(id);
    if (place !== null) place.textContent = text;
  };
  say("title", title);
  say("facts", facts.join(" · "));
  say("notes", notes.length === 0 ? "" : `Of the trace: ${notes.join("; ")}.`);
}

function fitWidth(panels: readonly Panel[]): void {
  const width = document.getElementById("panels")?.clientWidth ?? 600;
  for (const { plot } of panels) plot.setSize({ width, height: plot.height });
}

/** Whole ticks, not outside of the run, and not too few. */
function within({ from, until }: Range, ticks: number): Range {
  const least = Math.min(LEAST_TICKS, ticks);
  const begin = Math.max(0, Math.min(Math.floor(from), ticks - least));
  return { from: begin, until: Math.min(ticks, Math.max(Math.ceil(until), begin + least)) };
}

function zoomed({ from, until }: Range, by: number): Range {
  const [middle, half] = [(from + until) / 2, ((until - from) / 2) * by];
  return { from: middle - half, until: middle + half };
}

function moved({ from, until }: Range, by: number, ticks: number): Range {
  const span = until - from;
  const begin = Math.max(0, Math.min(ticks - span, from + span * by));
  return { from: begin, until: begin + span };
}

function sayRange({ from, until }: Range, { tickSec }: PageData): void {
  const hasSeconds = (until - from) * tickSec < 600;
  const text = [from, until].map((tick) => clock(tick * tickSec, hasSeconds)).join(" – ");
  const place = document.getElementById("range");
  if (place !== null) place.textContent = text;
}

const KEYS: Readonly<Record<string, string>> = {
  "+": "in",
  "=": "in",
  "-": "out",
  ArrowLeft: "left",
  ArrowRight: "right",
  0: "reset",
};

/** Every button has a key, which works while the panels have the focus. */
function listenToButtons(actions: Readonly<Record<string, () => void>>): void {
  for (const [id, act] of Object.entries(actions)) {
    document.getElementById(id)?.addEventListener("click", act);
  }
  document.getElementById("panels")?.addEventListener("keydown", (event) => {
    const act = actions[KEYS[event.key] ?? ""];
    if (act === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  });
}
