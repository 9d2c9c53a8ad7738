// A few trials' curves over each other. Color says the state, as everywhere; the
// number at every line's end says which trial it is.
//
// Model: {objective: {metric, goal}, xLabel, turned: whether better is up,
//         trials: [{number, name, state, best, value, reports,
//                   curve: [[x, y, step, seconds since its start], …]}]}
// Options, also for set(): y "stretched" | "linear" | "log", or null for the best one;
// x "step" | "seconds", or null for the model's; smooth: the weight of earlier values.

import { duration, metric } from "../format.js";
import { domainOf, makeScale, preferredKind, wholeTicks } from "../scales.js";
import { lookOf, word } from "../states.js";
import { axis, font, padded, palette } from "../charts/defaults.js";
import { spread } from "../charts/labels.js";
import { smoothed } from "../charts/lines.js";
import { emptyWords, liveChart } from "../charts/live_chart.js";
import { drawPlace, numbers, onScale, placeHover } from "../charts/line_frame.js";
import { createTooltip } from "../charts/tooltip.js";
import { cross, dot, haloText, star } from "../charts/marks.js";

const WIDTHS = { best: 2.5, running: 1.75 };
const DASHES = { terminated: [4, 3], cancelled: [1.5, 3] };
// Tells apart lines of one state, where there are several.
const AGAIN = [[], [6, 2], [2, 2], [8, 3, 2, 3]];

// The dash of each line: its state's, or another one where a state comes again.
function dashesOf(trials) {
  const seen = new Map();
  return trials.map((trial) => {
    const look = lookOf(trial).name;
    const before = seen.get(look) ?? 0;
    seen.set(look, before + 1);
    if (before === 0) return DASHES[look] ?? [];
    return AGAIN[before % AGAIN.length];
  });
}

function plainKind(values) {
  const low = Math.min(...values);
  return low > 0 && Math.max(...values) > 10 * low ? "log" : "linear";
}

const PLACES = { step: 2, seconds: 3 };

// The trials with their curves by the chosen x, smoothed. Pure.
export function chosenCurves(trials, { x = null, smooth = null }) {
  const place = PLACES[x] ?? 0;
  return trials.map((trial) => {
    const points = trial.curve.map((point) => [point[place], point[1]]);
    const known = points.filter(([at]) => Number.isFinite(at));
    return smooth ? { ...trial, curve: smoothed(known, Number(smooth)), raw: known } : { ...trial, curve: known };
  });
}

function measure(state) {
  const { objective, turned } = state.model;
  const trials = chosenCurves(state.model.trials, state);
  state.trials = trials;
  state.hovered = null;
  const points = trials.flatMap((trial) => trial.raw ?? trial.curve);
  const values = points.map((point) => point[1]).filter(Number.isFinite);
  const xs = points.map((point) => point[0]);
  state.empty = emptyWords([points], [objective.metric]);
  const domain = domainOf(values, { goal: objective.goal });
  // Only the objective's axis is turned so that better is up; of other metrics the
  // name is all that says which way is better.
  state.scale = turned
    ? makeScale(state.y ?? preferredKind(values, objective.goal), domain, objective.goal)
    : makeScale(state.y ?? plainKind(values), domain);
  state.xs = xs.length > 0 ? [Math.min(...xs), Math.max(...xs)] : [0, 1];
  if (state.xs[0] === state.xs[1]) state.xs[1] += 1;
}

function datasets({ trials, scale }, colors) {
  const dashes = dashesOf(trials);
  const lines = trials.map((trial, index) => {
    const look = lookOf(trial).name;
    return {
      trial,
      data: onScale(trial.curve, scale),
      borderColor: look === "cancelled" || look === "queued" ? colors.ink3 : colors.fill[look],
      borderWidth: WIDTHS[look] ?? 1.75,
      borderDash: dashes[index],
      cubicInterpolationMode: "monotone",
      order: trial.best ? 0 : index + 1,
    };
  });
  // Behind what is smoothed.
  const raw = trials.flatMap((trial) =>
    trial.raw ? [{ data: onScale(trial.raw, scale), borderColor: colors.line2, borderWidth: 1, order: 99 }] : [],
  );
  return [...lines, ...raw];
}

function options(state, colors) {
  const [min, max] = state.xs;
  const across = {
    forward: (value) => value,
    ticks: (pixels) => wholeTicks(min, max, pixels / 70),
    text: state.x === "seconds" ? duration : String,
  };
  const title = { step: "step", seconds: "time since its start" }[state.x] ?? state.model.xLabel;
  const longest = Math.max(...state.model.trials.map((trial) => trial.name.length));
  return {
    layout: { padding: { right: Math.min(120, 28 + longest * 7), top: 10 } },
    events: ["mousemove", "mouseout"],
    onHover: (event, _, chart) => state.hover(chart, event),
    scales: {
      x: axis(across, { title, colors, horizontal: true, min, max }),
      y: axis(state.scale, { colors, ...padded(state.scale) }),
    },
  };
}

function endsOf(chart) {
  return chart.data.datasets.flatMap((set, index) => {
    if (!set.trial) return [];
    const end = chart.getDatasetMeta(index).data.filter((point) => Number.isFinite(point.y)).at(-1);
    return end ? [{ x: end.x, y: end.y, trial: set.trial }] : [];
  });
}

function drawMark(ctx, { x, y, trial }, colors) {
  const look = lookOf(trial).name;
  const color = look === "cancelled" || look === "queued" ? colors.ink3 : colors.fill[look];
  if (look === "failed") cross(ctx, x, y, 3, color, colors.surface);
  else dot(ctx, x, y, 3.5, color, colors.surface);
}

function drawNames(chart, ends, colors) {
  const { ctx, chartArea } = chart;
  const centers = spread(ends.map((end) => end.y), 15, 8, chartArea.bottom - 4);
  ends.forEach(({ x, trial }, k) => {
    const look = lookOf(trial).name;
    const style = { color: colors.tone[look], halo: colors.surface, font: font(12, 600) };
    const lead = trial.best ? 15 : 0;
    if (trial.best) star(ctx, x + 14, centers[k] - 1, 6, colors.tone.best, colors.surface);
    haloText(ctx, trial.name, x + 8 + lead, centers[k], style);
  });
}

// A curve's value at x: that of its last point up to there; null before its first point
// and after its last. Pure.
export function valueUpTo(curve, at) {
  if (curve.length === 0 || at > curve.at(-1)[0]) return null;
  return curve.filter(([x]) => x <= at).at(-1)?.[1] ?? null;
}

// What the trials have at x.
function contentAt({ trials, scale, x, model }, at) {
  const colors = palette();
  const found = trials
    .map((trial) => ({ trial, value: valueUpTo(trial.curve, at) }))
    .filter(({ value }) => Number.isFinite(value));
  const color = (trial) => colors.fill[lookOf(trial).name] ?? colors.ink3;
  return {
    title: x === "seconds" ? duration(at) : `${x ?? model.xLabel} ${at}`,
    rows: found.map(({ trial, value }) => ({ name: trial.name, text: metric(value) })),
    marks: found.map(({ trial, value }) => ({ y: scale.forward(value), color: color(trial) })),
  };
}

function endsPlugin(state) {
  return {
    id: "ends",
    afterDatasetsDraw(chart) {
      const colors = palette();
      drawPlace(chart, state, colors);
      const ends = endsOf(chart);
      for (const end of ends) drawMark(chart.ctx, end, colors);
      drawNames(chart, ends, colors);
    },
  };
}

export function drawCompare(canvas, model) {
  const tip = createTooltip(canvas);
  const state = { model, x: null, y: null, smooth: null, hovered: null };
  const places = () => numbers(state.trials.map(({ curve }) => curve), 0);
  state.hover = placeHover(state, tip, places, (at) => contentAt(state, at));
  const plugins = [endsPlugin(state)];
  const fresh = (now) => {
    tip.hide();
    measure(now);
  };
  const handle = liveChart(canvas, { type: "line", state, tip, measure: fresh, datasets, options, plugins });
  canvas.addEventListener("keydown", (event) => step(event, handle.chart, state, places()));
  canvas.addEventListener("blur", () => state.hover(handle.chart, { x: -100, y: 0 }));
  return handle;
}

// Arrow keys move along the points, as the pointer does.
function step(event, chart, state, places) {
  const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!way || places.length === 0) return;
  event.preventDefault();
  const sorted = [...new Set(places)].sort((a, b) => a - b);
  const now = sorted.indexOf(state.hovered?.place);
  const next = sorted[Math.min(sorted.length - 1, Math.max(0, now + way))];
  state.hover(chart, { x: chart.scales.x.getPixelForValue(next), y: chart.chartArea.top + 20 });
}

// The same as a table, a row per trial. Pure.
export function compareTable({ objective, trials }) {
  return {
    caption: `${objective.metric}, trial by trial`,
    columns: ["trial", "state", "first", "last"],
    rows: trials.map((trial) => [
      trial.name,
      trial.best ? "best" : word(trial.state),
      metric(trial.curve.at(0)?.[1] ?? null),
      metric(trial.curve.at(-1)?.[1] ?? null),
    ]),
  };
}
