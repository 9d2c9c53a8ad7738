// Words at the ends of lines, in one column at the right of a chart.

import { font } from "./defaults.js";
import { spread } from "./labels.js";
import { haloText, star } from "./marks.js";

// Between a line's end and its words, and for a star before them.
const AWAY = 8;
const STAR = 15;

// The text, or as much of its beginning as fits into `room` with an ellipsis after it.
// measure(text) gives pixels. Pure.
export function shortened(text, room, measure) {
  if (measure(text) <= room) return text;
  let kept = text.length - 1;
  while (kept > 1 && measure(`${text.slice(0, kept).trimEnd()}…`) > room) kept -= 1;
  return `${text.slice(0, kept).trimEnd()}…`;
}

// The place that whole words take beside lines: no more than a quarter of the chart on
// phones, and a fifth elsewhere. Pure but for `measure`.
export function columnFor(texts, width, measure) {
  const most = width < 560 ? width * 0.25 : width * 0.2;
  const longest = Math.max(24, ...texts.map(measure));
  return Math.ceil(Math.min(longest, most)) + AWAY + 4;
}

function lastPoint(chart, index) {
  const points = chart.getDatasetMeta(index).data.filter((point) => Number.isFinite(point.y));
  return points.at(-1) ?? null;
}

// Moved apart where they meet, shortened where the chart ends. labels: [{index (of the
// dataset), lines: [text], colour, weight, starred (optional)}].
export function drawEndWords(chart, labels, colours) {
  const { ctx, chartArea } = chart;
  const found = labels
    .map((label) => ({ ...label, end: lastPoint(chart, label.index) }))
    .filter((label) => label.end);
  const tall = Math.max(15, ...found.map((label) => label.lines.length * 14 + 1));
  const centres = spread(found.map((label) => label.end.y), tall, 8, chartArea.bottom - 6);
  found.forEach(({ lines, colour, weight, starred, end }, k) => {
    const top = centres[k] - ((lines.length - 1) * 14) / 2;
    const left = Math.max(end.x, chartArea.left) + AWAY;
    if (starred) star(ctx, left + 6, top, 6, colour, colours.surface);
    const x = left + (starred ? STAR : 0);
    ctx.font = font(11.5, weight);
    lines.forEach((text, row) => {
      const fitting = shortened(text, chart.width - x, (each) => ctx.measureText(each).width);
      const style = { colour, halo: colours.surface, font: font(11.5, weight) };
      haloText(ctx, fitting, x, top + row * 14, style);
    });
  });
}
