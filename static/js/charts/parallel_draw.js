// How parallel coordinates are drawn on a canvas; the geometry is in parallel_geometry.js.

import { metric, parameter } from "../format.js";
import { brushPixels, drawBrush } from "./brushing.js";
import { sharesOf } from "./data/columns.js";
import { font, withAlpha } from "./defaults.js";
import { lineCounts, picture } from "./density.js";
import { shortened } from "./end_words.js";
import { thin } from "./labels.js";
import { dot, roundedBox, star } from "./marks.js";
import { rankColor } from "./viridis.js";

const PILL_ROOM = 46;
// Pixels of a cell of the density: along the axes, and across, where lines change little.
const CELL = 2;
const CELL_ACROSS = 4;

function point(frame, across, along) {
  return frame.flat ? [along, across] : [across, along];
}

function trace(ctx, frame, axes, row) {
  ctx.moveTo(...point(frame, axes[0].across, axes[0].places[row]));
  for (let k = 1; k < axes.length; k += 1) {
    const middle = (axes[k - 1].across + axes[k].across) / 2;
    ctx.bezierCurveTo(
      ...point(frame, middle, axes[k - 1].places[row]),
      ...point(frame, middle, axes[k].places[row]),
      ...point(frame, axes[k].across, axes[k].places[row]),
    );
  }
}

export function strokeLine(ctx, { frame, axes }, row, { color, width, dash = [] }) {
  ctx.beginPath();
  trace(ctx, frame, axes, row);
  ctx.setLineDash(dash);
  ctx.lineWidth = width;
  ctx.strokeStyle = color;
  ctx.stroke();
  ctx.setLineDash([]);
}

// Many lines of one color, as one path.
export function strokeAll(ctx, { frame, axes }, rows, { color, width, alpha }) {
  ctx.save();
  ctx.globalAlpha = alpha;
  ctx.beginPath();
  for (const row of rows) trace(ctx, frame, axes, row);
  ctx.lineWidth = width;
  ctx.strokeStyle = color;
  ctx.stroke();
  ctx.restore();
}

// The density of lines between all axes.
export function drawDensity(ctx, { frame, axes }, rows, { color, strength, weights }) {
  const low = Math.min(frame.alongLow, frame.alongHigh) - 4;
  const cells = Math.ceil((Math.abs(frame.alongLow - frame.alongHigh) + 8) / CELL);
  const inCells = axes.map(({ places }) => places.map((place) => (place - low) / CELL));
  const each = Math.max(1, Math.round((axes[1].across - axes[0].across) / CELL_ACROSS));
  const columns = each * (axes.length - 1);
  const counts = new Float32Array(columns * cells);
  for (let k = 1; k < axes.length; k += 1) {
    const part = lineCounts(rows, inCells[k - 1], inCells[k], { columns: each, rows: cells, weights });
    counts.set(part, (k - 1) * each * cells);
  }
  ctx.save();
  if (frame.flat) ctx.transform(0, 1, 1, 0, 0, 0);
  const [from, to] = [axes[0].across, axes.at(-1).across];
  ctx.drawImage(picture(counts, { columns, rows: cells, color, strength }), from, low, to - from, cells * CELL);
  ctx.restore();
}

export function drawAxes(ctx, { frame, axes }, colors) {
  ctx.lineWidth = 1;
  ctx.strokeStyle = colors.line2;
  for (const axis of axes) {
    ctx.beginPath();
    ctx.moveTo(...point(frame, axis.across, axis.start));
    ctx.lineTo(...point(frame, axis.across, axis.end));
    ctx.stroke();
  }
}

export function drawBrushes(ctx, { frame, axes }, linked, colors) {
  for (const axis of axes) {
    const ends = brushPixels(linked, axis);
    if (!ends) continue;
    const [from, to] = [Math.min(...ends), Math.max(...ends)];
    const box = frame.flat
      ? { x: from, y: axis.across - 8, width: to - from, height: 16 }
      : { x: axis.across - 8, y: from, width: 16, height: to - from };
    drawBrush(ctx, box, colors, { isAcross: frame.flat });
  }
}

// The lines of some rows by their rank among these; those that ended early are dashed.
export function drawRanked(ctx, layout, columns, rows, colors) {
  const shares = sharesOf(columns.size, rows);
  ctx.globalAlpha = rows.length > 60 ? 0.6 : 0.85;
  for (const row of [...rows].reverse()) {
    if (row === columns.best) continue;
    const dash = columns.states[row] === "terminated" ? [3, 3] : [];
    strokeLine(ctx, layout, row, { color: rankColor(shares[row], colors.dark), width: 1.25, dash });
  }
  ctx.globalAlpha = 1;
}

export function drawBest(ctx, layout, row, colors) {
  strokeLine(ctx, layout, row, { color: colors.surface, width: 6.5 });
  strokeLine(ctx, layout, row, { color: colors.fill.best, width: 3 });
  for (const axis of layout.axes) {
    const [x, y] = point(layout.frame, axis.across, axis.places[row]);
    dot(ctx, x, y, 4, colors.fill.best, colors.surface);
  }
}

// ---- words at the axes --------------------------------------------------------------

function pill(ctx, text, box, colors) {
  roundedBox(ctx, box, 4, { fill: withAlpha(colors.surface, 0.82) });
  ctx.fillStyle = colors.ink3;
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  ctx.fillText(text, box.x + box.width / 2, box.y + box.height / 2 + 0.5);
}

// The side of words at an axis: left of upright axes (right of the last), below flat ones.
function wordBox(ctx, { frame, axes }, index, at, text) {
  const width = ctx.measureText(text).width + 6;
  const { across } = axes[index];
  if (frame.flat) return { x: at - width / 2, y: across + 4, width, height: 15 };
  const last = index === axes.length - 1;
  return { x: last ? across + 5 : Math.max(2, across - width - 5), y: at - 8, width, height: 16 };
}

// Choices on a flat axis have as much room as their bands.
function fitted(ctx, { frame }, { axis, start, end }) {
  if (!frame.flat || axis.kind !== "choice") return (text) => text;
  const room = Math.abs(end - start) / axis.values.length - 10;
  return (text) => shortened(text, room, (each) => ctx.measureText(each).width);
}

export function ticksOf({ unsetAt, ticks }) {
  return unsetAt === null ? ticks : [{ at: unsetAt, text: "not set" }, ...ticks];
}

export function drawTicks(ctx, layout, columns, colors) {
  const { best } = columns;
  ctx.font = font(11.5);
  layout.axes.forEach((axis, index) => {
    const last = index === layout.axes.length - 1;
    const own = best < 0 ? Number.NaN : axis.places[best];
    const hidden = Number.isFinite(own) && (!last || layout.frame.flat) ? [own] : [];
    // A choice that the best line's pill already names needs no tick.
    const named = best >= 0 && axis.axis.kind === "choice" ? bestText(columns, axis) : null;
    const fitting = fitted(ctx, layout, axis);
    for (const { at, text } of thin(ticksOf(axis), layout.frame.flat ? 30 : 15, hidden)) {
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

export function bestText(columns, { axis }) {
  const cell = axis.cells[columns.best];
  if (axis.kind === "value") return metric(cell);
  if (Number.isNaN(cell)) return "not set";
  return axis.kind === "choice" ? axis.text(cell) : parameter(cell, 3);
}

export function pillWidth(ctx, text, starred) {
  ctx.font = font(11.5, 600);
  return ctx.measureText(text).width + (starred ? 28 : 14);
}

// The best line's value in an outlined pill next to its dot: left of it on upright axes,
// below it on flat ones, whose names are above.
export function drawBestPills(ctx, layout, columns, colors) {
  const { frame } = layout;
  for (const axis of layout.axes) {
    const text = bestText(columns, axis);
    const starred = axis.axis.kind === "value";
    const width = pillWidth(ctx, text, starred);
    const [x, y] = point(frame, axis.across, axis.places[columns.best]);
    const left = frame.flat ? Math.min(x - width / 2, frame.alongHigh + 20 - width) : x - width - 7;
    const box = { x: Math.max(2, left), y: frame.flat ? y + 6 : y - 9, width, height: 18 };
    roundedBox(ctx, box, 4, { fill: colors.surface, stroke: colors.fill.best });
    if (starred) star(ctx, box.x + 12, box.y + 9, 5.5, colors.tone.best);
    ctx.fillStyle = colors.tone.best;
    ctx.textAlign = "left";
    ctx.textBaseline = "middle";
    ctx.fillText(text, box.x + (starred ? 21 : 7), box.y + 9.5);
  }
}
