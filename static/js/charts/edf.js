// EDF: the share of trials at or below each value, of this sweep and of others.

import { metric, share } from "../format.js";
import { valueAxis } from "./data/axes.js";
import { font } from "./defaults.js";
import { dot, haloText } from "./marks.js";
import { drawPlot } from "./plot.js";
import { spread } from "./labels.js";

// The share of ranked trials at or below each row's value; NaN for others. Pure.
export function sharesBelow(columns) {
  const { order, value, size } = columns;
  const rows = [...order].sort((a, b) => value[a] - value[b]);
  const shares = new Float64Array(size).fill(Number.NaN);
  rows.forEach((row, k) => { shares[row] = (k + 1) / rows.length; });
  return shares;
}

// The steps of a sample's values, where there is no answer of the server yet. Pure.
export function stepsOf(columns) {
  const rows = [...columns.order].sort((a, b) => columns.value[a] - columns.value[b]);
  return rows.map((row, k) => [columns.value[row], (k + 1) / rows.length]);
}

function shareAxis(columns) {
  return {
    field: "share",
    title: "",
    kind: "share",
    cells: sharesBelow(columns),
    ...{ min: 0, max: 1, start: 0, unsetAt: null },
    forward: (value) => value,
    inverse: (position) => position,
    ticks: () => [0, 0.25, 0.5, 0.75, 1],
    text: share,
  };
}

function stroke(ctx, { pixelX, pixelY, axes, area }, points, { color, width, dash = [] }) {
  if (points.length === 0) return;
  const clip = (value) => Math.max(axes.x.low, Math.min(axes.x.high, axes.x.forward(value)));
  // From left to right: with a turned axis from the greatest value to the least.
  const turned = axes.x.forward(points[0][0]) > axes.x.forward(points.at(-1)[0]);
  ctx.beginPath();
  ctx.moveTo(turned ? area.right : area.left, pixelY(0));
  let below = 0;
  for (const [value, height] of points) {
    const x = pixelX(clip(value));
    ctx.lineTo(x, pixelY(below));
    ctx.lineTo(x, pixelY(height));
    below = height;
  }
  ctx.lineTo(turned ? area.left : area.right, pixelY(1));
  ctx.setLineDash(dash);
  ctx.lineWidth = width;
  ctx.strokeStyle = color;
  ctx.stroke();
  ctx.setLineDash([]);
}

const DASHES = [[4, 3], [2, 2], [7, 3], [1, 3]];

function drawSteps(ctx, plot, sweeps) {
  const { colors, pixelX, pixelY, axes, area } = plot;
  [...sweeps].reverse().forEach((sweep, k) => {
    const own = sweep === sweeps[0];
    const style = own
      ? { color: colors.accent, width: 2 }
      : { color: colors.ink3, width: 1.5, dash: DASHES[k % DASHES.length] };
    stroke(ctx, plot, sweep.points, style);
  });
  const middle = pixelY(0.5);
  ctx.strokeStyle = colors.line2;
  ctx.setLineDash([2, 3]);
  ctx.beginPath();
  ctx.moveTo(area.left, middle);
  ctx.lineTo(area.right, middle);
  ctx.stroke();
  ctx.setLineDash([]);
  const named = sweeps.filter(({ median }) => Number.isFinite(median));
  const heights = spread(named.map((_, k) => middle + (k === 0 ? 16 : -16 * k)), 15, area.top + 8, area.bottom - 8);
  named.forEach(({ median, label }, k) => {
    const x = pixelX(axes.x.forward(median));
    const color = k === 0 ? colors.accent : colors.ink2;
    dot(ctx, x, middle, 3.5, color, colors.surface);
    const align = k === 0 && x < area.right - 120 ? "left" : "right";
    const text = `${k === 0 ? "this sweep" : label}, median ${metric(median)}`;
    haloText(ctx, text, align === "left" ? x + 6 : Math.max(area.left + 130, x - 6), heights[k], {
      color, halo: colors.surface, font: font(11.5, 600), align,
    });
  });
}

// sweeps(): those of the feed, this one first, or null; marks show what is selected.
export function drawEdf(canvas, { linked, sweeps, spreadNow, openTrial }) {
  return drawPlot(canvas, {
    linked,
    openTrial,
    axes: (columns) => ({ x: valueAxis(columns, spreadNow()), y: shareAxis(columns) }),
    brushes: "x",
    quiet: true,
    label: "Distribution",
    above: (ctx, plot) => {
      const found = sweeps() ?? [{ label: "", points: stepsOf(linked.columns), median: Number.NaN }];
      drawSteps(ctx, plot, found);
    },
  });
}
