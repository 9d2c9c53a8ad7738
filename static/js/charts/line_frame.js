// Axes, points and the tooltip of charts of plain lines.

import { makeScale, tickText, wholeTicks } from "../scales.js";
import { axis, padded } from "./defaults.js";
import { dot } from "./marks.js";

export function numbers(lists, column) {
  return lists.flat().map((point) => point[column]).filter(Number.isFinite);
}

// An exponential moving average without the bias of its start; what is not finite stays. Pure.
export function averaged(values, weight) {
  let sum = 0;
  let total = 0;
  return values.map((value) => {
    if (!Number.isFinite(value)) return value;
    sum = sum * weight + value;
    total = total * weight + 1;
    return sum / total;
  });
}

// The ends of the horizontal axis; `low` where it does not start at the first point.
export function span(lists, low = null) {
  const xs = numbers(lists, 0);
  if (xs.length === 0) return [low ?? 1, (low ?? 1) + 1];
  const first = Math.min(...xs, low ?? Infinity);
  const last = Math.max(...xs);
  return [first, last > first ? last : first + 1];
}

export function onScale(points, scale) {
  return points.map(([x, y]) => ({ x, y: Number.isFinite(y) ? scale.forward(y) : Number.NaN }));
}

function xAxis(state, colors, title) {
  const [min, max] = state.xs;
  const counted = Number.isInteger(min) && Number.isInteger(max);
  const scale = counted
    ? { forward: (value) => value, ticks: (pixels) => wholeTicks(min, max, pixels / 70), text: tickText }
    : makeScale("linear", [min, max]);
  return axis({ ...scale, text: state.xText ?? scale.text }, { title, colors, horizontal: true, min, max });
}

export function lineOptions(state, colors, title, right) {
  return {
    layout: { padding: { right, top: 8 } },
    events: ["mousemove", "mouseout"],
    onHover: (event, _, chart) => state.hover(chart, event),
    scales: {
      x: xAxis(state, colors, title),
      y: axis(state.scale, { colors, ...padded(state.scale) }),
    },
  };
}

// The place nearest to x, or null. Pure.
export function nearestPlace(places, x) {
  return places.reduce(
    (found, place) => (found === null || Math.abs(place - x) < Math.abs(found - x) ? place : found),
    null,
  );
}

// Shows the tooltip of the nearest place: content(place) gives {title, rows, marks}, where
// marks are [{y (a position), color}], or null. state.hovered keeps the place's marks.
export function placeHover(state, tip, placesOf, content) {
  return (chart, event) => {
    const { x: across, y: along } = chart.scales;
    const inside = event.x >= chart.chartArea.left - 8 && event.x <= chart.chartArea.right + 8;
    const place = inside ? nearestPlace(placesOf(), across.getValueForPixel(event.x)) : null;
    const shown = place === null ? null : content(place);
    if ((state.hovered?.place ?? null) !== place) {
      state.hovered = shown && { place, marks: shown.marks };
      chart.draw();
    }
    if (shown) tip.show(shown, { x: across.getPixelForValue(place), y: Math.min(event.y, along.bottom) });
    else tip.hide();
  };
}

// The hovered place: a thin upright line and a dot on each line there.
export function drawPlace(chart, { hovered }, colors) {
  if (!hovered) return;
  const { ctx, chartArea: area, scales } = chart;
  const x = scales.x.getPixelForValue(hovered.place);
  ctx.save();
  ctx.strokeStyle = colors.line2;
  ctx.lineWidth = 1;
  ctx.beginPath();
  ctx.moveTo(x, area.top);
  ctx.lineTo(x, area.bottom);
  ctx.stroke();
  ctx.restore();
  for (const { y, color } of hovered.marks) {
    dot(ctx, x, scales.y.getPixelForValue(y), 3.5, color, colors.surface);
  }
}
