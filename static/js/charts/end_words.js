// Words at the ends of lines, where the chart leaves room at its right.

import { font } from "./defaults.js";
import { spread } from "./labels.js";
import { haloText, star } from "./marks.js";

// Between a line's end and its words, and for a star before them.
const AWAY = 8;
const STAR = 15;
// On a phone words at a line's end would cover lines that are longer: there all are at
// the right, each with a thin line to its end.
const NARROW = 560;

// The text, or as much of its beginning and its end as fits into `room` with an ellipsis
// between: long names often differ at their ends. measure(text) gives pixels. Pure.
export function shortened(text, room, measure) {
  if (measure(text) <= room) return text;
  const cut = (kept) => {
    const head = Math.ceil(kept * 0.4);
    return `${text.slice(0, head).trimEnd()}…${text.slice(text.length - kept + head).trimStart()}`;
  };
  let kept = text.length - 1;
  while (kept > 2 && measure(cut(kept)) > room) kept -= 1;
  return cut(kept);
}

// The place that whole words take beside lines: no more than a quarter of the chart on
// phones, and a fifth elsewhere. Pure but for `measure`.
export function columnFor(texts, width, measure) {
  const most = width < NARROW ? width * 0.25 : width * 0.2;
  const longest = Math.max(24, ...texts.map(measure));
  return Math.ceil(Math.min(longest, most)) + AWAY + 4;
}

function lastPoint(chart, index) {
  const points = chart.getDatasetMeta(index).data.filter((point) => Number.isFinite(point.y));
  return points.at(-1) ?? null;
}

// Groups of labels, {left, right, …}, one above another; those next to each
// other need not make room. Pure.
export function columnsOf(labels) {
  const columns = [];
  let right = -Infinity;
  for (const label of [...labels].sort((a, b) => a.left - b.left)) {
    if (label.left < right) columns.at(-1).push(label);
    else columns.push([label]);
    right = Math.max(right, label.right);
  }
  return columns;
}

// Moved apart where they meet, shortened where the chart ends. labels: [{index (of the
// dataset), lines: [text], color, weight, starred (optional)}].
export function drawEndWords(chart, labels, colors) {
  const found = labels.flatMap((label) => placedLabel(chart, label));
  for (const column of columnsOf(found)) drawColumn(chart, column, colors);
}

function placedLabel(chart, { index, lines, color, weight, starred = false }) {
  const { ctx, chartArea, width } = chart;
  const end = lastPoint(chart, index);
  if (!end) return [];
  ctx.font = font(11.5, weight);
  const measure = (text) => ctx.measureText(text).width;
  const left = (width < NARROW ? chartArea.right : Math.max(end.x, chartArea.left)) + AWAY;
  const x = left + (starred ? STAR : 0);
  const texts = lines.map((text) => shortened(text, width - x, measure));
  const right = x + Math.max(...texts.map(measure));
  return [{ left, right, x, y: end.y, end: end.x, texts, color, weight, starred }];
}

function lead(ctx, from, to, color) {
  ctx.save();
  ctx.strokeStyle = color;
  ctx.lineWidth = 1;
  ctx.beginPath();
  ctx.moveTo(...from);
  ctx.lineTo(...to);
  ctx.stroke();
  ctx.restore();
}

function drawColumn({ ctx, chartArea }, column, colors) {
  const tall = Math.max(15, ...column.map(({ texts }) => texts.length * 14 + 1));
  const centers = spread(column.map(({ y }) => y), tall, 8, chartArea.bottom - 6);
  column.forEach(({ left, x, y, end, texts, color, weight, starred }, k) => {
    const top = centers[k] - ((texts.length - 1) * 14) / 2;
    if (left - end > AWAY + 1) lead(ctx, [end, y], [left - 2, centers[k]], colors.line2);
    if (starred) star(ctx, left + 6, top, 6, color, colors.surface);
    texts.forEach((text, row) => {
      const style = { color, halo: colors.surface, font: font(11.5, weight) };
      haloText(ctx, text, x, top + row * 14, style);
    });
  });
}
