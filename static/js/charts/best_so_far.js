// Best so far: is the search still improving?
//
// Model: {
//   objective: {metric, goal},
//   trials: [{id, number, state, best, value, params, …}],   any order, numbers from 0
//   total: 40            the number of trials allowed (optional; those left are a band)
// }
// Options: y "stretched" | "linear" | "log".

import { metric } from "../format.js";
import { bare, domainOf, makeScale, preferredKind, wholeTicks } from "../scales.js";
import { STATES, leaders, lookOf } from "../states.js";
import { axis, font, padded, palette } from "./defaults.js";
import { liveChart } from "./live_chart.js";
import { haloText, roundedBox, stateMark } from "./marks.js";
import { createTooltip } from "./tooltip.js";

// The best value after each trial, as [[number, value], …] from the first value on,
// with a last point at the last trial. Pure.
export function incumbents(trials, goal) {
  const steps = leaders(trials, goal).map(({ number, value }) => [number, value]);
  const last = Math.max(...trials.map((trial) => trial.number));
  if (steps.length > 0 && last > steps.at(-1)[0]) steps.push([last, steps.at(-1)[1]]);
  return steps;
}

// The last trial's number (-1 without trials), the last place on the axis, and how many
// trials are left. Pure.
export function placesOf(trials, total = 0) {
  const last = trials.reduce((most, trial) => Math.max(most, trial.number), -1);
  return { last, end: Math.max(total - 1, last, 1), left: Math.max(0, total - last - 1) };
}

// The place of a trial's mark: its value, or the floor when it has none. Pure.
export function markHeight(trial, scale, floor) {
  return Number.isFinite(trial.value) && trial.state !== "failed"
    ? Math.max(floor, scale.forward(trial.value))
    : floor;
}

function measure(state) {
  const { trials, objective, total } = state.model;
  const values = trials.map((trial) => trial.value).filter(Number.isFinite);
  const kind = state.y || preferredKind(values, objective.goal);
  const domain = domainOf(values, { goal: objective.goal });
  const scale = makeScale(kind, domain, objective.goal);
  state.scale = values.length > 0 ? scale : bare(scale);
  Object.assign(state, placesOf(trials, total));
  state.range = padded(state.scale, 0.14, 0.1);
  state.floor = state.range.min + (state.range.max - state.range.min) * 0.035;
}

function datasets(state, colors) {
  const { trials, objective } = state.model;
  const marks = trials.filter((trial) => trial.state !== "queued" || trial.best);
  return [
    {
      type: "line",
      data: incumbents(trials, objective.goal).map(([x, y]) => ({ x, y: state.scale.forward(y) })),
      stepped: true,
      borderColor: colors.fill.best,
      borderWidth: 2,
      pointHitRadius: 0,
      order: 1,
    },
    {
      data: marks.map((trial) => ({
        x: trial.number,
        y: markHeight(trial, state.scale, state.floor),
        trial,
      })),
    },
  ];
}

function options(state, colors) {
  const xScale = {
    forward: (value) => value,
    ticks: (pixels) => wholeTicks(0, state.end, pixels / 100),
    text: String,
  };
  return {
    layout: { padding: { right: 16, top: 20 } },
    interaction: { mode: "nearest", intersect: true },
    scales: {
      x: axis(xScale, { title: "trial", colors, horizontal: true, min: -0.6, max: state.end + 0.6 }),
      y: axis(state.scale, { colors, ...state.range }),
    },
    onHover: (event, active, chart) => state.hover(active, chart),
  };
}

function drawLeft(chart, state, colors) {
  if (state.left === 0) return;
  const { ctx, chartArea: area, scales } = chart;
  const x = scales.x.getPixelForValue(state.last + 0.5);
  const band = { x, y: area.top - 8, width: area.right - x, height: area.bottom - area.top + 10 };
  roundedBox(ctx, band, 2, { fill: colors.sunken });
  const text = `${state.left} left`;
  ctx.font = font(11.5);
  if (ctx.measureText(text).width > band.width - 8) return;
  const style = { color: colors.ink3, halo: colors.sunken, font: font(11.5), align: "center" };
  haloText(ctx, text, x + band.width / 2, area.bottom - 10, style);
}

function drawMarks(chart, colors) {
  const { ctx } = chart;
  const points = chart.getDatasetMeta(1).data;
  let best = null;
  chart.data.datasets[1].data.forEach(({ trial }, index) => {
    const { x, y } = points[index];
    if (trial.best) best = { x, y, trial };
    else stateMark(ctx, trial.state, x, y, colors);
  });
  if (!best) return;
  stateMark(ctx, "best", best.x, best.y, colors);
  const style = { color: colors.tone.best, halo: colors.surface, font: font(12, 600), align: "center" };
  const half = 24;
  const x = Math.max(chart.chartArea.left + half, Math.min(best.x, chart.width - half));
  haloText(ctx, metric(best.trial.value), x, best.y - 16, style);
}

function marksPlugin(state) {
  return {
    id: "marks",
    beforeDatasetsDraw: (chart) => drawLeft(chart, state, palette()),
    afterDatasetsDraw: (chart) => drawMarks(chart, palette()),
  };
}

function hoverer(state, tip) {
  return (active, chart) => {
    const near = active.find(({ datasetIndex }) => datasetIndex === 1);
    if (!near) {
      tip.hide();
      return;
    }
    const { trial } = chart.data.datasets[1].data[near.index];
    const best = state.model.trials.find((other) => other.best) ?? null;
    tip.show({ trial, best }, chart.getDatasetMeta(1).data[near.index]);
  };
}

// Returns what liveChart returns.
export function drawBestSoFar(canvas, model, { y = null } = {}) {
  const tip = createTooltip(canvas);
  const state = { model, y };
  state.hover = hoverer(state, tip);
  const plugins = [marksPlugin(state)];
  return liveChart(canvas, { type: "scatter", state, measure, datasets, options, plugins, tip });
}

export function bestSoFarTable({ objective, trials }) {
  const led = new Map(leaders(trials, objective.goal).map(({ number, value }) => [number, value]));
  let best = null;
  return {
    caption: `Best ${objective.metric} so far, trial by trial`,
    columns: ["trial", "state", objective.metric, "best so far"],
    rows: [...trials].sort((a, b) => a.number - b.number).map((trial) => {
      best = led.get(trial.number) ?? best;
      return [trial.number, STATES[lookOf(trial).name].word, metric(trial.value), metric(best)];
    }),
  };
}
