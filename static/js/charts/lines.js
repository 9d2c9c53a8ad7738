// A few named lines: other metrics of a trial, sweeps against what they used.
//
// Model: {
//   xLabel, y: "linear" | "log" | "stretched" (optional),
//   goal: with it better is up and the axis may be stretched, as for the objective;
//         without it the axis is a plain one (optional),
//   musts: values that the y axis has to reach (optional),
//   xMin: where the x axis starts, if not at the first point (optional),
//   since: the moment, in seconds since 1970, from which points have seconds (optional),
//   series: [{name, points: [[x, y, seconds (optional)], …], best (optional)}]
//         an x that comes twice makes a stair; the best series gets a star
// }
// Options, also for set(): y as in the model; x "" (the points') | "relative" | "time" |
// "used" (the points' seconds are training time);
// smooth: the weight of earlier values, from 0 to 1, as text.

import { ZONE, duration, metric, number } from "../format.js";
import { domainOf, makeScale, preferredKind } from "../scales.js";
import { font, palette } from "./defaults.js";
import { columnFor, drawEndWords } from "./end_words.js";
import { averaged, drawPlace, lineOptions, numbers, onScale, placeHover, span } from "./line_frame.js";
import { emptyWords, liveChart } from "./live_chart.js";
import { createTooltip } from "./tooltip.js";

const DASHES = [[], [4, 3], [1.5, 3], [8, 3], [8, 3, 2, 3], [2, 2]];

export function smoothed(points, weight) {
  const values = averaged(points.map(([, y]) => y), weight);
  return points.map(([x], k) => [x, values[k]]);
}

// The series by the chosen x, each with its smoothed points and the raw ones. Pure.
export function chosen({ model, x, smooth }) {
  return model.series.map((series) => {
    const raw = x ? series.points.map(([, y, seconds]) => [seconds, y]) : series.points;
    return smooth ? { ...series, points: smoothed(raw, Number(smooth)), raw } : { ...series, points: raw };
  });
}

const X_WORDS = { relative: "since the start", time: "time", used: "training time" };

// Ticks are seconds from the start, written as durations or as a clock's time.
function textOf({ x, model }) {
  if (x === "relative" || x === "used") return (seconds) => duration(seconds);
  const clock = (seconds) => new Date((model.since + seconds) * 1000).toLocaleTimeString([], { timeStyle: "medium", timeZone: ZONE });
  return x === "time" ? clock : undefined;
}

function measure(state) {
  state.series = chosen(state);
  state.xText = textOf(state);
  state.xLabel = X_WORDS[state.x] ?? state.model.xLabel;
  const { series } = state;
  const { goal, y, musts = [], xMin = null } = state.model;
  const lists = series.map(({ points }) => points);
  const values = numbers([...lists, ...series.map(({ raw = [] }) => raw)], 1);
  const kind = state.y || y || (goal ? preferredKind(values, goal) : "linear");
  state.hovered = null;
  state.empty = emptyWords(lists, series.map(({ name }) => name));
  state.xs = span(lists, xMin);
  // Only the objective's axis is turned so that better is up.
  state.scale = makeScale(kind, domainOf(values, { goal: goal ?? "minimize", musts }), goal);
}

// Points above one another are corners of a stair, which smoothing would break.
function hasStairs(points) {
  return points.some((point, k) => k > 0 && point[0] === points[k - 1][0]);
}

function colorOf({ best }, k, colors) {
  if (best) return colors.fill.best;
  return k % 2 === 0 ? colors.ink3 : colors.ink;
}

function datasets({ series, scale }, colors) {
  const lines = series.map((each, k) => ({
    data: onScale(each.points, scale),
    borderColor: colorOf(each, k, colors),
    borderDash: each.best ? [] : DASHES[k % DASHES.length],
    borderWidth: each.best ? 2.5 : 1.75,
    cubicInterpolationMode: hasStairs(each.points) ? "default" : "monotone",
    order: each.best ? 0 : k + 1,
  }));
  // Behind what is smoothed.
  const raw = series.flatMap((each) =>
    each.raw ? [{ data: onScale(each.raw, scale), borderColor: colors.line2, borderWidth: 1, order: 99 }] : [],
  );
  return [...lines, ...raw];
}

function namesPlugin(state) {
  return {
    id: "names",
    afterDatasetsDraw(chart) {
      const colors = palette();
      const labels = state.model.series.map(({ name, best }, index) => ({
        index,
        lines: [name],
        color: best ? colors.tone.best : index % 2 === 0 ? colors.ink2 : colors.ink,
        weight: 600,
        starred: best,
      }));
      drawEndWords(chart, labels, colors);
      drawPlace(chart, state, colors);
    },
  };
}

// A series' value at x: that of its point there, the last of several; a stair holds its
// value until the next point. null before its first point and after its last. Pure.
export function valueAt(points, x) {
  const there = points.filter((point) => point[0] === x).at(-1);
  if (there) return there[1];
  if (!hasStairs(points) || points.length === 0 || x > points.at(-1)[0]) return null;
  return points.filter((point) => point[0] < x).at(-1)?.[1] ?? null;
}

function contentAt({ series: all, scale, xLabel, xText = number }, x) {
  const colors = palette();
  const found = all
    .map((series, k) => ({ name: series.name, value: valueAt(series.points, x), color: colorOf(series, k, colors) }))
    .filter(({ value }) => Number.isFinite(value));
  return {
    title: `${xLabel}: ${xText(x)}`,
    rows: found.map(({ name, value }) => ({ name, text: metric(value) })),
    marks: found.map(({ value, color }) => ({ y: scale.forward(value), color })),
  };
}

// Returns what liveChart returns.
export function drawLines(canvas, model) {
  const tip = createTooltip(canvas);
  const state = { model, hovered: null };
  const places = () => numbers(state.series.map(({ points }) => points), 0);
  state.hover = placeHover(state, tip, places, (x) => contentAt(state, x));
  const room = () => {
    const ctx = canvas.getContext("2d");
    ctx.font = font(11.5, 600);
    const names = state.model.series.map(({ name, best }) => (best ? `★ ${name}` : name));
    return columnFor(names, canvas.parentElement.clientWidth, (text) => ctx.measureText(text).width);
  };
  return liveChart(canvas, {
    type: "line",
    state,
    tip,
    measure,
    datasets,
    options: (now, colors) => lineOptions(now, colors, now.xLabel, room()),
    plugins: [namesPlugin(state)],
  });
}

export function linesTable({ series, xLabel = "x" }) {
  const xs = [...new Set(series.flatMap(({ points }) => points.map((point) => point[0])))];
  const at = (points, x) => points.find((point) => point[0] === x)?.[1] ?? null;
  return {
    caption: series.map(({ name }) => name).join(", "),
    columns: [xLabel, ...series.map(({ name }) => name)],
    rows: xs.sort((a, b) => a - b).map((x) => [number(x), ...series.map(({ points }) => metric(at(points, x)))]),
  };
}
