// Learning curves: which trials lead, and which ended early?
//
// Model: {
//   objective: {metric, goal},           goal: "maximize" or "minimize"
//   xLabel: "report (epoch)",            the axis title for x: report (optional)
//   trials: [{id, number, state, best, value, reports, params: {name: value},
//             curve: [[report, y, step?, seconds?], …]}],      y null: not finite
// }
// Options, also for set(): x "report" | "step" | "seconds"; y "stretched" | "linear" |
// "log", or nothing: what suits the values; hidden: a Set of states that are not drawn;
// smooth: 0 to below 1, the weight of the past; linked: what the page's charts share;
// under(chart, state, colors): draws below the curves.

import { duration, metric, signed } from "../format.js";
import { domainOf, makeScale, preferredKind, wholeTicks } from "../scales.js";
import { STATES, lookOf } from "../states.js";
import { FEW, endMarks, endLabels } from "./curve_ends.js";
import { axis, padded, palette, withAlpha } from "./defaults.js";
import { averaged } from "./line_frame.js";
import { emptyWords, liveChart } from "./live_chart.js";
import { dot } from "./marks.js";
import { createTooltip } from "./tooltip.js";

const COLUMN = { report: 0, step: 2, seconds: 3 };
const TITLES = { report: "report", step: "step", seconds: "seconds since its start" };
// Free at the right for the best trial's label, at least.
const FREE_RIGHT = 48;
// From here on smoothing costs more than it shows.
const MANY = 120;
const LAYER = { best: 0, failed: 2, running: 3, terminated: 4, completed: 5 };

// The finite points of one curve on the chosen x; a null stays as a gap. Pure.
export function pointsOf(trial, x) {
  const column = COLUMN[x] ?? 0;
  return trial.curve
    .filter((point) => Number.isFinite(point[column]))
    .map((point) => ({ x: point[column], y: point[1] }));
}

export function smoothed(points, weight) {
  const values = averaged(points.map(({ y }) => y), weight);
  return points.map(({ x }, k) => ({ x, y: values[k] }));
}

const isSelected = ({ linked }, trial) => {
  const row = linked?.columns.rowOf.get(trial.number);
  return row === undefined || linked.isSelected(row);
};

function styleOf(trial, state, colors) {
  const few = state.count <= FEW || Boolean(state.linked?.mask);
  if (!isSelected(state, trial)) return { borderColor: withAlpha(colors.line2, 0.55), borderWidth: 1 };
  return stateStyle(trial, colors, few);
}

function stateStyle(trial, colors, few) {
  const { fill } = colors;
  const look = lookOf(trial).name;
  const styles = {
    best: { borderColor: fill.best, borderWidth: 3 },
    running: { borderColor: fill.running, borderWidth: 1.75 },
    completed: { borderColor: withAlpha(fill.completed, few ? 0.8 : 0.3), borderWidth: few ? 1.75 : 1.1 },
    terminated: { borderColor: fill.terminated, borderWidth: 1.25, borderDash: [4, 3] },
    failed: { borderColor: fill.failed, borderWidth: 1.25 },
  };
  return styles[look] ?? { borderColor: colors.line2, borderWidth: 1 };
}

function dataset(trial, state, colors) {
  const points = smoothed(pointsOf(trial, state.x), state.smooth).map((point) => ({
    x: point.x,
    y: point.y === null ? Number.NaN : state.scale.forward(point.y),
  }));
  return {
    trial,
    dim: !isSelected(state, trial),
    data: points,
    order: isSelected(state, trial) ? LAYER[lookOf(trial).name] ?? 6 : 9,
    cubicInterpolationMode: state.count > MANY ? "default" : "monotone",
    ...styleOf(trial, state, colors),
  };
}

// The best curve's halo: the same line in the ground's color, below it.
function haloOf(best, colors) {
  return { ...best, halo: true, order: 0.5, borderColor: colors.surface, borderWidth: 6 };
}

function datasets(state, colors) {
  const drawn = state.model.trials.filter(
    (trial) => trial.curve.length > 0 && state.isShown(trial) && (trial.best || !state.hidden.has(trial.state)),
  );
  const sets = drawn.map((trial) => dataset(trial, state, colors));
  const best = sets.find((set) => set.trial.best);
  return best ? [...sets, haloOf(best, colors)] : sets;
}

function measure(state) {
  state.hovered = null;
  const { trials, objective } = state.model;
  const all = trials.flatMap((trial) => trial.curve.map((point) => point[1]));
  const values = all.filter(Number.isFinite);
  const musts = trials.flatMap((trial) => (trial.best || trial.state === "running" ? [trial.value] : []));
  const kind = state.y || preferredKind(values, objective.goal);
  const xs = trials.flatMap((trial) => pointsOf(trial, state.x).map((point) => point.x));
  state.count = trials.length;
  state.empty = emptyWords(trials.map(({ curve }) => curve), [objective.metric]);
  state.scale = makeScale(kind, domainOf(values, { goal: objective.goal, musts }), objective.goal);
  state.xs = xs.length > 0 ? [Math.min(...xs), Math.max(...xs)] : [0, 1];
  if (state.xs[0] === state.xs[1]) state.xs[1] += 1;
}

function xAxis(state, colors) {
  const [min, max] = state.xs;
  const whole = state.x !== "seconds";
  const scale = whole
    ? { forward: (v) => v, ticks: (pixels) => wholeTicks(min, max, pixels / 90), text: String }
    : makeScale("linear", [min, max]);
  const title = state.x === "report" && state.model.xLabel ? state.model.xLabel : TITLES[state.x];
  return axis(scale, { title, colors, horizontal: true, min, max });
}

function freeRight(model) {
  const best = bestOf(model);
  return best ? Math.max(FREE_RIGHT, metric(best.value).length * 7 + 13) : FREE_RIGHT;
}

function options(state, colors) {
  return {
    layout: { padding: { right: freeRight(state.model), top: 10 } },
    events: ["mousemove", "mouseout", "touchstart"],
    interaction: { mode: "nearest", intersect: false, axis: "xy" },
    scales: {
      x: xAxis(state, colors),
      y: axis(state.scale, { colors, ...padded(state.scale) }),
    },
    onHover: (event, active, chart) => state.hover(event, active, chart),
  };
}

function bestOf(model) {
  return model.trials.find((trial) => trial.best) ?? null;
}

function againstBest(trial, best, x, y) {
  const point = best?.curve.find((own) => own[0] === x);
  if (!point || point[1] === null || best.number === trial.number) return "";
  return `; best is ${signed(point[1] - y, 3)}`;
}

function hoverLine(state, trial, index) {
  const point = pointsOf(trial, state.x)[index];
  const where = state.x === "seconds" ? `after ${duration(point.x)}` : `${state.x} ${point.x}`;
  const rest = state.x === "report"
    ? againstBest(trial, bestOf(state.model), point.x, point.y)
    : "";
  return `${where}: ${metric(point.y)}${rest}`;
}

// The trial under the pointer, if the pointer is near enough to one of its points.
function nearest(event, active, chart) {
  const near = active.find(({ datasetIndex }) => !chart.data.datasets[datasetIndex].halo);
  const at = near && chart.getDatasetMeta(near.datasetIndex).data[near.index];
  if (!at || Math.hypot(at.x - event.x, at.y - event.y) > 24) return null;
  return { at, index: near.index, set: near.datasetIndex };
}

function hoverer(state, tip) {
  return (event, active, chart) => {
    const near = nearest(event, active, chart);
    const changed = near?.set !== state.hovered?.set || near?.index !== state.hovered?.index;
    state.hovered = near;
    if (changed) {
      state.linked?.hover(near ? chart.data.datasets[near.set].trial.number : null);
      chart.draw();
    }
    if (!near) {
      tip.hide();
      return;
    }
    const { trial } = chart.data.datasets[near.set];
    const line = hoverLine(state, trial, near.index);
    tip.show({ trial, best: bestOf(state.model), line }, near.at);
  };
}

function drawHovered(chart, { set, at }, colors) {
  const { ctx } = chart;
  const meta = chart.getDatasetMeta(set);
  const { trial } = chart.data.datasets[set];
  const color = colors.fill[lookOf(trial).name];
  ctx.save();
  ctx.beginPath();
  meta.dataset.path(ctx);
  ctx.lineWidth = trial.best ? 3 : 2.5;
  ctx.strokeStyle = color;
  ctx.stroke();
  ctx.restore();
  dot(ctx, at.x, at.y, 4.5, color, colors.surface);
}

// The curve of a trial that is hovered in another chart, at its last point.
function hoveredElsewhere(chart, { linked }) {
  if (linked?.hovered === null || linked?.hovered === undefined) return null;
  const set = chart.data.datasets.findIndex(({ trial, halo }) => !halo && trial.number === linked.hovered);
  const at = set < 0 ? null : chart.getDatasetMeta(set).data.at(-1);
  return at ? { set, at } : null;
}

function endsPlugin(state) {
  return {
    id: "ends",
    beforeDatasetsDraw(chart) {
      state.under?.(chart, state, palette());
    },
    afterDatasetsDraw(chart) {
      const colors = palette();
      const hovered = state.hovered ?? hoveredElsewhere(chart, state);
      const there = hovered && chart.data.datasets[hovered.set];
      if (there) drawHovered(chart, hovered, colors);
      endMarks(chart, colors);
      endLabels(chart, colors, state.model);
    },
  };
}

// Draws into a canvas inside a positioned box; returns what liveChart returns.
export function drawCurves(canvas, model, given = {}) {
  const tip = createTooltip(canvas);
  const state = { model, x: "report", y: null, hidden: new Set(), smooth: 0, linked: null, hovered: null, isShown: () => true, ...given };
  state.hover = hoverer(state, tip);
  const plugins = [endsPlugin(state)];
  return liveChart(canvas, { type: "line", state, measure, datasets, options, plugins, tip });
}

// The same as a table, a row per trial. Pure.
export function curvesTable(model) {
  return {
    caption: `${model.objective.metric}, trial by trial`,
    columns: ["trial", "state", model.objective.metric, "reports", "last report"],
    rows: model.trials.map((trial) => [
      trial.number,
      STATES[lookOf(trial).name].word,
      metric(trial.value),
      trial.reports,
      metric(trial.curve.at(-1)?.[1] ?? null),
    ]),
  };
}
