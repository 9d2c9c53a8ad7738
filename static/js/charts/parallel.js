// Parallel coordinates: which settings go with good values?
//
// Model: {
//   objective: {metric, goal},
//   space: [{name, kind: "number" | "choice", log, low, high, values: [...]}],
//          in the order of the axes; the objective follows as the last one
//   trials: [{id, number, state, best, value, params, …}]   drawn when value is finite
//          and the trial did not fail
// }
// A parameter that a trial does not set ends in a "not set" stop at the axis' low end.
// Below 560 px the axes are horizontal, stacked from top to bottom.

import { metric, parameter } from "../format.js";
import { STATES, lookOf } from "../states.js";
import { Chart, font, palette, withAlpha } from "./defaults.js";
import { shortened } from "./end_words.js";
import { thin } from "./labels.js";
import { liveChart } from "./live_chart.js";
import { dot, haloText, roundedBox, star } from "./marks.js";
import { layOut, nearestLine } from "./parallel_geometry.js";
import { createTooltip } from "./tooltip.js";
import { rankColor } from "./viridis.js";

const NARROW = 560;
// Beside the outer upright axes: room for words, at least and at most.
const MARGIN = 46;
const WIDEST = 140;
const PILL_ROOM = 46;

// The drawing area in the directions of the axes; flat charts swap x and y.
function frameOf({ width, height }, left = MARGIN, right = MARGIN) {
  const flat = width < NARROW;
  return flat
    ? { flat, acrossFrom: 34, acrossTo: height - 26, alongLow: 40, alongHigh: width - 22 }
    : { flat, acrossFrom: left, acrossTo: width - right, alongLow: height - 14, alongHigh: 34 };
}

// The layout whose outer axes leave room for their ticks and for the best line's pill.
function fittedLayout(chart, model) {
  const plain = frameOf(chart);
  const layout = { frame: plain, ...layOut(model, plain) };
  if (plain.flat) return layout;
  const best = layout.lines.find((line) => line.trial.best);
  const frame = frameOf(
    chart,
    roomBeside(chart.ctx, layout.axes[0], best),
    roomBeside(chart.ctx, layout.axes.at(-1), null),
  );
  return { frame, ...layOut(model, frame) };
}

function roomBeside(ctx, axis, best) {
  ctx.font = font(11.5);
  const texts = axis.ticks.map(({ text }) => text).concat(axis.unsetAt === null ? [] : ["not set"]);
  const ticks = texts.map((text) => ctx.measureText(text).width + 13);
  const pill = best ? pillWidth(ctx, bestText(best, axis), false) + 9 : 0;
  return Math.min(WIDEST, Math.max(MARGIN, pill, ...ticks));
}

function point(frame, across, along) {
  return frame.flat ? [along, across] : [across, along];
}

function trace(ctx, frame, axes, places) {
  ctx.moveTo(...point(frame, axes[0].across, places[0]));
  for (let k = 1; k < places.length; k += 1) {
    const middle = (axes[k - 1].across + axes[k].across) / 2;
    ctx.bezierCurveTo(
      ...point(frame, middle, places[k - 1]),
      ...point(frame, middle, places[k]),
      ...point(frame, axes[k].across, places[k]),
    );
  }
}

function strokeLine(ctx, { frame, axes }, line, { color, width, dash = [] }) {
  ctx.beginPath();
  trace(ctx, frame, axes, line.places);
  ctx.setLineDash(dash);
  ctx.lineWidth = width;
  ctx.strokeStyle = color;
  ctx.stroke();
  ctx.setLineDash([]);
}

function drawAxes(ctx, { frame, axes }, colors) {
  ctx.lineWidth = 1;
  ctx.strokeStyle = colors.line2;
  for (const axis of axes) {
    ctx.beginPath();
    ctx.moveTo(...point(frame, axis.across, axis.start));
    ctx.lineTo(...point(frame, axis.across, axis.end));
    ctx.stroke();
  }
}

function drawTitles(ctx, { frame, axes }, colors, width) {
  ctx.font = font(12, 600);
  axes.forEach(({ axis, across }, k) => {
    const text = axis.title;
    const style = { color: colors.ink, halo: colors.surface, font: font(12, 600) };
    if (frame.flat) {
      haloText(ctx, text, 12, across - 16, style);
      return;
    }
    const size = ctx.measureText(text).width;
    const x = k === 0 ? 14 : Math.min(across - size / 2, width - size - 6);
    haloText(ctx, text, x, 12, style);
  });
}

function pill(ctx, text, box, colors) {
  roundedBox(ctx, box, 4, { fill: withAlpha(colors.surface, 0.82) });
  ctx.fillStyle = colors.ink3;
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  ctx.fillText(text, box.x + box.width / 2, box.y + box.height / 2 + 0.5);
}

// The side of words at an axis: left of upright axes (right of the last),
// below flat ones.
function wordBox(ctx, layout, index, at, text, room = 0) {
  const { frame, axes } = layout;
  const width = ctx.measureText(text).width + 6;
  const { across } = axes[index];
  if (frame.flat) return { x: at - width / 2, y: across + 4, width, height: 15 };
  const last = index === axes.length - 1;
  const x = last ? across + 5 + room : Math.max(2, across - width - 5 - room);
  return { x, y: at - 8, width, height: 16 };
}

// Choices on a flat axis have as much room as their bands.
function fitted(ctx, { frame }, { axis, start, end }) {
  if (!frame.flat || axis.kind !== "choice") return (text) => text;
  const room = Math.abs(end - start) / axis.values.length - 10;
  return (text) => shortened(text, room, (each) => ctx.measureText(each).width);
}

function drawTicks(ctx, layout, colors, best) {
  ctx.font = font(11.5);
  layout.axes.forEach((axis, index) => {
    const last = index === layout.axes.length - 1;
    const own = best?.places[index];
    const hidden = own !== undefined && (!last || layout.frame.flat) ? [own] : [];
    const ticks = axis.unsetAt === null
      ? axis.ticks
      : [{ at: axis.unsetAt, text: "not set" }, ...axis.ticks];
    const gap = layout.frame.flat ? 30 : 15;
    // A choice that the best line's pill already names needs no tick.
    const named = best && axis.axis.kind === "choice" ? bestText(best, axis) : null;
    const fitting = fitted(ctx, layout, axis);
    for (const { at, text } of thin(ticks, gap, hidden)) {
      if (text === named || underPill(layout, axis, at, hidden)) continue;
      const shown = fitting(text);
      pill(ctx, shown, wordBox(ctx, layout, index, at, shown), colors);
    }
  });
}

// On a flat axis the best line's pill is below, where the ticks are: ticks of numbers
// next to it are left out.
function underPill({ frame }, { axis }, at, hidden) {
  return frame.flat && axis.kind !== "choice" && hidden.some((own) => Math.abs(own - at) < PILL_ROOM);
}

function bestText(line, { axis }) {
  if (axis.kind === "objective") return metric(line.trial.value);
  return parameter(line.trial.params[axis.name], 3);
}

function pillWidth(ctx, text, starred) {
  ctx.font = font(11.5, 600);
  return ctx.measureText(text).width + (starred ? 28 : 14);
}

// The best line's value in an outlined pill next to its dot: left of it on upright axes,
// below it on flat ones, whose names are above.
function drawBestPill(ctx, layout, line, index, colors) {
  const { frame, axes } = layout;
  const axis = axes[index];
  const text = bestText(line, axis);
  const starred = axis.axis.kind === "objective";
  const width = pillWidth(ctx, text, starred);
  const [x, y] = point(frame, axis.across, line.places[index]);
  const left = frame.flat ? Math.min(x - width / 2, frame.alongHigh + 20 - width) : x - width - 7;
  const box = { x: Math.max(2, left), y: frame.flat ? y + 6 : y - 9, width, height: 18 };
  roundedBox(ctx, box, 4, { fill: colors.surface, stroke: colors.fill.best });
  if (starred) star(ctx, box.x + 12, box.y + 9, 5.5, colors.tone.best);
  ctx.fillStyle = colors.tone.best;
  ctx.textAlign = "left";
  ctx.textBaseline = "middle";
  ctx.fillText(text, box.x + (starred ? 21 : 7), box.y + 9.5);
}

function drawBest(ctx, layout, line, colors) {
  strokeLine(ctx, layout, line, { color: colors.surface, width: 6.5 });
  strokeLine(ctx, layout, line, { color: colors.fill.best, width: 3 });
  layout.axes.forEach((axis, index) => {
    const [x, y] = point(layout.frame, axis.across, line.places[index]);
    dot(ctx, x, y, 4, colors.fill.best, colors.surface);
  });
}

function drawLines(ctx, layout, colors) {
  ctx.globalAlpha = layout.lines.length > 60 ? 0.6 : 0.85;
  for (const line of layout.lines) {
    if (line.trial.best) continue;
    const dash = line.trial.state === "terminated" ? [3, 3] : [];
    strokeLine(ctx, layout, line, { color: rankColor(line.share, colors.dark), width: 1.25, dash });
  }
  ctx.globalAlpha = 1;
}

function drawAll(chart, layout, hovered) {
  const { ctx } = chart;
  const colors = palette();
  const best = layout.lines.find((line) => line.trial.best);
  const over = layout.lines.find((line) => line.trial.number === hovered && !line.trial.best);
  ctx.save();
  ctx.lineJoin = "round";
  drawAxes(ctx, layout, colors);
  drawLines(ctx, layout, colors);
  if (over) {
    strokeLine(ctx, layout, over, { color: colors.surface, width: 5 });
    strokeLine(ctx, layout, over, { color: colors.fill[over.trial.state], width: 2.5 });
  }
  if (best) drawBest(ctx, layout, best, colors);
  drawTicks(ctx, layout, colors, best);
  drawTitles(ctx, layout, colors, chart.width);
  if (best) layout.axes.forEach((_, index) => drawBestPill(ctx, layout, best, index, colors));
  ctx.restore();
}

// A dataset is a whole model: {model, state}. There are no scales and no elements; the
// controller lays the axes out itself and draws every line.
class ParallelController extends Chart.DatasetController {
  static id = "parallel";

  static defaults = { datasetElementType: null, dataElementType: "point" };

  linkScales() {}

  parse() {
    this._cachedMeta._parsed = [];
  }

  buildOrUpdateElements() {}

  update() {
    const { model, state } = this.getDataset();
    state.layout = fittedLayout(this.chart, model);
  }

  draw() {
    const { state } = this.getDataset();
    drawAll(this.chart, state.layout, state.hovered);
  }
}

Chart.register(ParallelController);

function hover(state, tip, chart, event) {
  const { flat } = state.layout.frame;
  const [across, along] = flat ? [event.offsetY, event.offsetX] : [event.offsetX, event.offsetY];
  const line = nearestLine(state.layout, across, along);
  const found = line?.trial.number ?? null;
  if (found !== state.hovered) {
    state.hovered = found;
    chart.draw();
  }
  if (!line) {
    tip.hide();
    return;
  }
  const best = state.model.trials.find((trial) => trial.best) ?? null;
  tip.show({ trial: line.trial, best }, { x: event.offsetX, y: event.offsetY });
}

// Returns what liveChart returns.
export function drawParallel(canvas, model) {
  const tip = createTooltip(canvas);
  const state = { model, hovered: null, layout: null };
  const handle = liveChart(canvas, {
    type: "parallel",
    state,
    tip,
    measure: () => {},
    datasets: () => [{ model: state.model, state, data: [] }],
    options: () => ({ events: [] }),
  });
  canvas.addEventListener("mousemove", (event) => hover(state, tip, handle.chart, event));
  return handle;
}

// The key of the colors: a small ramp between words, for the card's head.
export function drawRamp(slot, metricName) {
  const strip = document.createElement("canvas");
  strip.width = 56;
  strip.height = 8;
  const { dark } = palette();
  const ctx = strip.getContext("2d");
  for (let x = 0; x < 56; x += 1) {
    ctx.fillStyle = rankColor(x / 55, dark);
    ctx.fillRect(x, 0, 1, 8);
  }
  slot.replaceChildren(`color: rank of ${metricName}`, strip, "better →");
  slot.hidden = false;
}

export function parallelTable({ objective, space, trials }) {
  const names = space.map((parameter) => parameter.name);
  return {
    caption: `Parameters and ${objective.metric} of each trial`,
    columns: ["trial", "state", ...names, objective.metric],
    rows: trials.map((trial) => [
      trial.number,
      STATES[lookOf(trial).name].word,
      ...names.map((name) => parameter(trial.params[name])),
      metric(trial.value),
    ]),
  };
}
