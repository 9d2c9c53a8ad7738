// Duration against value: what does a better value cost in time?

import { durationAxis, valueAxis } from "./data/axes.js";
import { leading } from "./data/columns.js";
import { font } from "./defaults.js";
import { haloText, ring } from "./marks.js";
import { drawPlot } from "./plot.js";

// The rows that no other trial beats in both, by duration. Pure.
export function frontOf(columns) {
  const { order, took } = columns;
  const rows = order.filter((row) => Number.isFinite(took[row]));
  // The order is the best first, and stays so among equal durations.
  return leading(rows.sort((a, b) => took[a] - took[b]), columns);
}

function drawFront(ctx, { axes, pixelX, pixelY, colors, linked, area }) {
  const { columns } = linked;
  const front = frontOf(columns);
  const at = (row) => [pixelX(axes.x.forward(columns.took[row])), pixelY(Math.max(axes.y.floor, axes.y.forward(columns.value[row])))];
  ctx.strokeStyle = colors.accent;
  ctx.lineWidth = 1.5;
  ctx.beginPath();
  front.forEach((row, k) => {
    const [x, y] = at(row);
    if (k === 0) ctx.moveTo(x, y);
    else ctx.lineTo(x, y);
  });
  ctx.stroke();
  let right = -Infinity;
  for (const row of [...front].reverse()) {
    const [x, y] = at(row);
    ring(ctx, x, y, 3.6, colors.accent, colors.surface);
    const isFree = right === -Infinity || right - x > 30;
    if (!isFree || row === columns.best) continue;
    right = x;
    haloText(ctx, String(columns.number[row]), x, Math.max(area.top + 6, y - 12), {
      color: colors.accent, halo: colors.surface, font: font(11.5, 600), align: "center",
    });
  }
}

export function durationWords(columns) {
  const front = frontOf(columns).length;
  const without = columns.order.filter((row) => !Number.isFinite(columns.took[row])).length;
  if (front === 0) return "No trial with a value has a duration yet.";
  const rest = without > 0 ? ` ${without} with a value have no duration.` : "";
  return `Blue line: Pareto front, ${front} ${front === 1 ? "trial" : "trials"}; none is both faster and better.${rest}`;
}

export function drawDuration(canvas, { linked, spreadNow, logNow, openTrial }) {
  return drawPlot(canvas, {
    linked,
    openTrial,
    axes: (columns) => {
      const x = durationAxis(columns, logNow());
      return { x: { ...x, title: `${x.title} ← shorter is better` }, y: valueAxis(columns, spreadNow()) };
    },
    brushes: "xy",
    label: "Duration against value",
    above: drawFront,
  });
}
