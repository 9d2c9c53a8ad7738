// Best so far: is the search still improving? A mark per trial in the order of their
// numbers, and a step line of the best value.

import { metric } from "../format.js";
import { wholeTicks } from "../scales.js";
import { STATES } from "../states.js";
import { valueAxis } from "./data/axes.js";
import { leading } from "./data/columns.js";
import { font } from "./defaults.js";
import { haloText, roundedBox } from "./marks.js";
import { drawPlot } from "./plot.js";

// Rows that beat all ranked ones before them, in the order of their numbers. Pure.
export function leaderRows(columns) {
  const { order, number } = columns;
  if (!leaders.has(columns)) leaders.set(columns, leading([...order].sort((a, b) => number[a] - number[b]), columns));
  return leaders.get(columns);
}

// Brushes draw them at each move.
const leaders = new WeakMap();

// The last trial's number (-1 without trials), the last place on the axis, and how many
// trials are left. Pure.
export function placesOf({ number, planned }) {
  const last = number.reduce((most, each) => Math.max(most, each), -1);
  const left = Math.max(0, (planned ?? 0) - last - 1);
  return { last, end: Math.max(last + left, 1), left };
}

function numberAxis(columns) {
  const { end } = placesOf(columns);
  return {
    field: "number",
    title: "trial",
    kind: "number",
    integer: true,
    cells: columns.number,
    ...{ min: 0, max: end, start: 0, unsetAt: null },
    forward: (value) => value,
    inverse: (position) => position,
    ticks: (pixels) => wholeTicks(0, end, pixels / 100),
    text: String,
  };
}

function drawLeft(ctx, { area, colors, pixelX, linked }) {
  const { last, left } = placesOf(linked.columns);
  if (left === 0) return;
  const x = pixelX(last + 0.5);
  const band = { x, y: area.top - 4, width: area.right - x, height: area.bottom - area.top + 6 };
  roundedBox(ctx, band, 2, { fill: colors.sunken });
  const text = `${left} left`;
  ctx.font = font(11.5);
  if (ctx.measureText(text).width > band.width - 8) return;
  const style = { color: colors.ink3, halo: colors.sunken, font: font(11.5), align: "center" };
  haloText(ctx, text, x + band.width / 2, area.bottom - 10, style);
}

function drawSteps(ctx, plot) {
  const { linked: { columns }, axes, pixelX, pixelY, colors } = plot;
  const rows = leaderRows(columns);
  if (rows.length === 0) return;
  const heightOf = (row) => pixelY(axes.y.forward(columns.value[row]));
  ctx.beginPath();
  ctx.moveTo(pixelX(columns.number[rows[0]]), heightOf(rows[0]));
  rows.slice(1).forEach((row, k) => {
    const x = pixelX(columns.number[row]);
    ctx.lineTo(x, heightOf(rows[k]));
    ctx.lineTo(x, heightOf(row));
  });
  ctx.lineTo(pixelX(placesOf(columns).last), heightOf(rows.at(-1)));
  ctx.lineWidth = 2;
  ctx.strokeStyle = colors.fill.best;
  ctx.stroke();
  nameBest(ctx, plot);
}

function nameBest(ctx, { linked: { columns }, axes, pixelX, pixelY, colors, area }) {
  const { best } = columns;
  if (best < 0) return;
  const half = 24;
  const x = Math.max(area.left + half, Math.min(pixelX(columns.number[best]), area.right - half));
  const y = pixelY(axes.y.forward(columns.value[best])) - 16;
  const style = { color: colors.tone.best, halo: colors.surface, font: font(12, 600), align: "center" };
  haloText(ctx, metric(columns.value[best]), x, Math.max(area.top + 4, y), style);
}

export function drawBest(canvas, { linked, spreadNow, openTrial }) {
  return drawPlot(canvas, {
    linked,
    openTrial,
    axes: (columns) => ({ x: numberAxis(columns), y: valueAxis(columns, spreadNow()) }),
    brushes: "x",
    label: "Best so far",
    top: 20,
    below: drawLeft,
    above: drawSteps,
  });
}

// Of the trials that improved. Pure.
export function bestTable(columns) {
  const rows = leaderRows(columns);
  return {
    caption: `Best ${columns.metric} so far, each improvement`,
    columns: ["trial", "state", columns.metric],
    rows: rows.map((row) => [columns.number[row], STATES[columns.states[row]].word, metric(columns.value[row])]),
  };
}
