// Contour: where do two parameters do well together? Bands of the smoothed value, none
// where there are no trials.

import { parameterAxis } from "./data/axes.js";
import { font } from "./defaults.js";
import { bandOf, segmentsAt } from "./contour_lines.js";
import { haloText } from "./marks.js";
import { drawPlot } from "./plot.js";
import { tickText } from "../scales.js";

const FAINT = 0.05;
const STRONG = 0.34;

function tones({ levels }, goal) {
  const bands = levels.length + 1;
  return (value) => {
    const band = bandOf(value, levels);
    const share = (goal === "minimize" ? bands - 1 - band : band) / Math.max(1, bands - 1);
    return FAINT + (STRONG - FAINT) * share;
  };
}

// Places of the surface's cells on the plot.
function cellPlaces(surface, { axes, pixelX, pixelY }) {
  const span = (axis) => [axis.start, axis.max];
  const [[left, right], [bottom, top]] = [span(axes.x), span(axes.y)];
  return {
    x: (cell) => pixelX(left + ((right - left) * cell) / surface.columns),
    y: (cell) => pixelY(bottom + ((top - bottom) * cell) / surface.rows),
  };
}

function drawSurface(ctx, plot, surface) {
  const { colors, linked } = plot;
  const place = cellPlaces(surface, plot);
  const tone = tones(surface, linked.columns.goal);
  ctx.fillStyle = colors.ink2;
  surface.cells.forEach((value, k) => {
    if (value === null) return;
    const [x, y] = [k % surface.columns, Math.floor(k / surface.columns)];
    const [left, right] = [place.x(x), place.x(x + 1)];
    const [top, bottom] = [place.y(y + 1), place.y(y)];
    ctx.globalAlpha = tone(value);
    ctx.fillRect(Math.floor(left), Math.floor(top), Math.floor(right) - Math.floor(left), Math.floor(bottom) - Math.floor(top));
  });
  ctx.globalAlpha = 1;
  drawLines(ctx, plot, surface, place);
}

function drawLines(ctx, { colors, area }, surface, place) {
  ctx.strokeStyle = colors.ink3;
  ctx.lineWidth = 1;
  const style = { color: colors.ink, halo: colors.surface, font: font(11.5, 600), align: "center" };
  const labels = [];
  for (const level of surface.levels) {
    const segments = segmentsAt(level, surface.cells, surface.columns, surface.rows);
    ctx.beginPath();
    for (const [[x1, y1], [x2, y2]] of segments) {
      ctx.moveTo(place.x(x1), place.y(y1));
      ctx.lineTo(place.x(x2), place.y(y2));
    }
    ctx.stroke();
    const spot = labelSpot(segments, place, labels, area);
    if (spot) labels.push({ ...spot, text: tickText(level) });
  }
  for (const { x, y, text } of labels) haloText(ctx, text, x, y, style);
}

// A point of the line that is away from the labels of other lines.
function labelSpot(segments, place, labels, area) {
  for (let k = 0; k < segments.length; k += 1) {
    const [[x1, y1]] = segments[Math.floor(segments.length / 3 + k) % segments.length];
    const [x, y] = [place.x(x1), place.y(y1)];
    const inside = x > area.left + 20 && x < area.right - 20 && y > area.top + 10 && y < area.bottom - 10;
    if (inside && labels.every((other) => Math.hypot(other.x - x, other.y - y) > 46)) return { x, y };
  }
  return null;
}

// parts: linked; names(): {x, y}, the parameters; surface(): the answer of the feed.
export function drawContour(canvas, { linked, names, surface, openTrial }) {
  const axesOf = (columns) => {
    const { x, y } = names();
    const find = (name) => columns.axes.find((axis) => axis.name === name) ?? columns.axes[0];
    return { x: parameterAxis(find(x)), y: parameterAxis(find(y)) };
  };
  const fits = (found) => found.ready && found.x.name === names().x && found.y.name === names().y;
  return drawPlot(canvas, {
    linked,
    openTrial,
    axes: axesOf,
    brushes: "xy",
    faint: true,
    label: "Contour",
    below: (ctx, plot) => {
      const found = surface();
      if (fits(found)) drawSurface(ctx, plot, found);
    },
  });
}
