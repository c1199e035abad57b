// The four panels: CPU, memory, waste and waiting, on one time axis with one cursor.
import uPlot from "uplot";
import { type PageData } from "../src/replay/chart/page-data.ts";
import { clock } from "./format.ts";
import {
  bucketTicks,
  extremes,
  maxima,
  means,
  times,
  type PolicySeries,
  type Range,
  type Series,
} from "./series.ts";
import { colorOf, styleColor } from "./theme.ts";

export type Shown = Readonly<{ policies: readonly boolean[]; desired: boolean }>;

type Line = Readonly<{
  label: string;
  values: (range: Range, bucket: number) => number[];
  /** null: demand. */
  policy: number | null;
  kind: "area" | "need" | "actual" | "desired";
}>;

export type Panel = Readonly<{
  plot: uPlot;
  lines: readonly Line[];
}>;

export type Watch = Readonly<{
  /** The reader dragged from here to there, in seconds. */
  onSelect: (fromSec: number, untilSec: number) => void;
  onReset: () => void;
  /** null: the cursor is elsewhere. */
  onCursor: (atSec: number | null) => void;
}>;

const AXIS_WIDTH = 62;
/** uPlot's scale that is linear near 0 and logarithmic beyond. */
// eslint-disable-next-line @typescript-eslint/no-unsafe-enum-assignment -- its enum exists in types only
const ASINH: uPlot.Scale.Distr.ArcSinh = 4;
const WAIT_LABELS_MS = [0, 1, 10, 100, 1_000, 10_000, 100_000];
const DESIRED_DASH = [4, 3];
const TIME_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600];

type Spec = Readonly<{
  id: string;
  height: number;
  lines: readonly Line[];
  isLogarithmic?: boolean;
}>;

export function makePanels(data: PageData, series: Series, watch: Watch): readonly Panel[] {
  return specsOf(data, series).map((spec, index, all) => {
    const target = document.getElementById(spec.id);
    if (target === null) throw new Error(`the page has no ${spec.id}`);
    const options = optionsOf(spec, watch, { data, isLast: index === all.length - 1 });
    const plot = new uPlot(options, [[0], ...spec.lines.map(() => [0])], target);
    return { plot, lines: spec.lines };
  });
}

function specsOf(data: PageData, { demand, policies }: Series): readonly Spec[] {
  const area = (label: string, of: Float32Array, kind: "area" | "need" = "area"): Line => ({
    label,
    values: (range, bucket) => extremes(of, range, bucket),
    policy: null,
    kind,
  });
  const each = (
    kind: "actual" | "desired",
    of: (one: PolicySeries) => Float32Array,
    by = extremes,
  ): Line[] =>
    policies
      .map((one, policy): Line => ({
        label: `${data.policies[policy]?.name ?? ""} ${kind}`,
        values: (range, bucket) => by(of(one), range, bucket),
        policy,
        kind,
      }))
      .reverse(); // What is drawn last is on top: the first policy.
  const cpu = [
    area("demand", demand.cpu),
    ...each("desired", (one) => one.wantCpu),
    ...each("actual", (one) => one.cpu),
  ];
  const memory = [
    area("needed", demand.memGib, "need"),
    area("processes", demand.anonGib),
    ...each("desired", (one) => one.wantMemGib),
    ...each("actual", (one) => one.memGib),
  ];
  const waste = each("actual", (one) => one.waste, means);
  const wait = each("actual", (one) => one.waitMs, maxima);
  return [
    { id: "cpu", height: 230, lines: cpu },
    { id: "memory", height: 200, lines: memory },
    { id: "waste", height: 130, lines: waste },
    { id: "wait", height: 150, lines: wait, isLogarithmic: true },
  ];
}

/** Puts this part of the time on all panels. */
export function showRange(panels: readonly Panel[], range: Range, tickSec: number): void {
  for (const { plot, lines } of panels) {
    const pixels = plot.bbox.width / devicePixelRatio;
    const bucket = bucketTicks(range, pixels);
    // One point more, so that the last value reaches the edge.
    const at = times(range, bucket, tickSec);
    const values = lines.map((line) => {
      const shown = line.values(range, bucket).slice(0, at.length);
      return [...shown, shown.at(-1) ?? 0];
    });
    at.push(range.until * tickSec);
    plot.batch(() => {
      plot.setData([at, ...values], false);
      plot.setScale("x", { min: range.from * tickSec, max: range.until * tickSec });
    });
  }
}

/** Shows and hides lines. */
export function showLines(panels: readonly Panel[], shown: Shown): void {
  for (const { plot, lines } of panels) {
    plot.batch(() => {
      for (const [index, { policy, kind }] of lines.entries()) {
        if (policy === null) continue;
        const isShown = shown.policies[policy] === true && (kind !== "desired" || shown.desired);
        plot.setSeries(index + 1, { show: isShown });
      }
    });
  }
}

function optionsOf(
  { height, lines, isLogarithmic }: Spec,
  watch: Watch,
  { data, isLast }: Readonly<{ data: PageData; isLast: boolean }>,
): uPlot.Options {
  const draw = isLogarithmic === true ? [(plot: uPlot) => drawDeaths(plot, lines, data)] : [];
  return {
    width: 600,
    height: isLast ? height + 22 : height,
    legend: { show: false },
    padding: [8, 22, 0, 0],
    cursor: {
      y: false,
      // Only the crosshair: each panel would zoom again on a drag that it hears of.
      sync: { key: "time", filters: { pub: isMove, sub: isMove } },
      drag: { x: true, y: false, setScale: false },
      points: { show: false },
      bind: { dblclick: () => () => (watch.onReset(), null) },
    },
    scales: {
      x: { time: false },
      y:
        isLogarithmic === true ? { distr: ASINH, asinh: 1, range: waitRange } : { range: fromZero },
    },
    axes: [xAxis(isLast), yAxis(isLogarithmic === true)],
    series: [{}, ...lines.map(styleOf)],
    hooks: {
      setSelect: [
        (plot) => {
          const { left, width } = plot.select;
          if (width < 3) return;
          watch.onSelect(plot.posToVal(left, "x"), plot.posToVal(left + width, "x"));
          plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        },
      ],
      ready: [(plot) => followMouse(plot, watch)],
      draw,
    },
  };
}

function isMove(type: string): boolean {
  return type === "mousemove" || type === "mouseleave";
}

function followMouse(plot: uPlot, { onCursor }: Watch): void {
  const { over } = plot;
  over.addEventListener("mousemove", ({ offsetX }) => onCursor(plot.posToVal(offsetX, "x")));
  over.addEventListener("mouseleave", () => onCursor(null));
}

function xAxis(isLast: boolean): uPlot.Axis {
  return {
    stroke: () => styleColor("--soft"),
    grid: { stroke: () => styleColor("--grid"), width: 1 },
    ticks: { show: false },
    incrs: TIME_STEPS,
    space: 70,
    size: isLast ? 30 : 8,
    font: "12px system-ui, sans-serif",
    values: (_, splits) => {
      const hasSeconds = (splits[1] ?? 60) - (splits[0] ?? 0) < 60;
      return splits.map((at) => (isLast ? clock(at, hasSeconds) : ""));
    },
  };
}

function yAxis(isLogarithmic: boolean): uPlot.Axis {
  return {
    stroke: () => styleColor("--soft"),
    grid: { stroke: () => styleColor("--grid"), width: 1 },
    ticks: { show: false },
    size: AXIS_WIDTH,
    gap: 8,
    font: "12px system-ui, sans-serif",
    space: 34,
    ...(isLogarithmic
      ? {
          splits: (_plot: uPlot, _axis: number, _least: number, most: number) =>
            WAIT_LABELS_MS.filter((ms) => ms <= most),
          // By default such a scale labels only some of them.
          filter: (_: uPlot, splits: number[]) => splits,
          values: (_: uPlot, splits: number[]) => splits.map(waitLabel),
        }
      : { values: (_: uPlot, splits: number[]) => splits.map(String) }),
  };
}

function waitLabel(ms: number): string {
  if (ms === 0) return "0";
  return ms < 1_000 ? `${ms} ms` : `${ms / 1_000} s`;
}

function fromZero(_: uPlot, __: number, most: number): uPlot.Range.MinMax {
  return [0, most > 0 ? most * 1.06 : 1];
}

function waitRange(_: uPlot, __: number, most: number): uPlot.Range.MinMax {
  return [0, Math.max(most * 1.5, 100)];
}

function styleOf({ label, policy, kind }: Line): uPlot.Series {
  const stepped = uPlot.paths.stepped?.({ align: 1 });
  const paths = stepped === undefined ? {} : { paths: stepped };
  if (policy === null) {
    const fill = () => styleColor(kind === "need" ? "--need" : "--demand");
    return { label, ...paths, stroke: fill, fill, width: 1, points: { show: false } };
  }
  const isDesired = kind === "desired";
  return {
    label,
    ...paths,
    stroke: () => colorOf(policy),
    width: isDesired ? 1 : 1.5,
    ...(isDesired ? { dash: DESIRED_DASH, alpha: 0.75 } : {}),
    points: { show: false },
  };
}

/** A mark for every visit of the OOM killer. */
function drawDeaths(plot: uPlot, lines: readonly Line[], { policies, tickSec }: PageData): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.font = `bold ${12 * devicePixelRatio}px system-ui, sans-serif`;
  ctx.textAlign = "center";
  ctx.textBaseline = "top";
  for (const [index, { policy }] of lines.entries()) {
    if (policy === null || plot.series[index + 1]?.show !== true) continue;
    ctx.fillStyle = colorOf(policy);
    for (const tick of policies[policy]?.oomTicks ?? []) {
      const x = plot.valToPos(tick * tickSec, "x", true);
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      ctx.fillRect(x - devicePixelRatio, bbox.top, 2 * devicePixelRatio, bbox.height);
      ctx.fillText("OOM", x, bbox.top);
    }
  }
  ctx.restore();
}
