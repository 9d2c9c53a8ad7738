// One trial against the threshold that it was judged by.
//
// Model: {
//   metric, goal, xLabel: "report (epoch)",
//   state: "terminated",                  whose tones the trial's own lines take
//   reports: [[n, value], …],             as reported; null where not finite
//   best: [[n, value], …],                the best up to each report
//   threshold: [[n, value], …],           from the first report that was judged
//   lineName: "threshold",                what that line is called
//   rivals: [[[n, value], …], …],         running averages of the other trials
//   unjudgedUntil: 4,                     the last report that no check looked at, or 0
//   endedAt: 15                           the report after which it ended, or null
// }

import { metric } from "../format.js";
import { domainOf, makeScale } from "../scales.js";
import { font, palette } from "./defaults.js";
import { drawEndWords } from "./end_words.js";
import { drawPlace, lineOptions, numbers, onScale, placeHover, span } from "./line_frame.js";
import { emptyWords, liveChart } from "./live_chart.js";
import { haloText } from "./marks.js";
import { createTooltip } from "./tooltip.js";

function thresholdSets({ model, scale }, colors) {
  const fill = colors.fill[model.state] ?? colors.accent;
  const line = (points, style) => ({ data: onScale(points, scale), ...style });
  return [
    line(model.best, { borderColor: fill, borderWidth: 2.5, order: 1 }),
    line(model.threshold, { borderColor: colors.ink, borderWidth: 2, order: 2 }),
    line(model.reports, { borderColor: fill, borderWidth: 1.25, borderDash: [4, 3], order: 3 }),
    ...model.rivals.map((points) => line(points, { borderColor: colors.line2, borderWidth: 1, order: 4 })),
  ];
}

function measureThreshold(state) {
  const { model } = state;
  state.hovered = null;
  const own = [model.best, model.threshold, model.reports];
  const musts = numbers([model.best, model.threshold], 1);
  const values = numbers([...own, ...model.rivals], 1);
  state.empty = emptyWords([...own, ...model.rivals], [model.metric]);
  state.xs = span(own);
  state.scale = makeScale("linear", domainOf(values, { goal: model.goal, musts }), model.goal);
}

function drawUnjudged(chart, model, colors) {
  if (!model.unjudgedUntil) return;
  const { ctx, chartArea: area, scales } = chart;
  const right = Math.min(area.right, scales.x.getPixelForValue(model.unjudgedUntil + 0.5));
  ctx.save();
  ctx.fillStyle = colors.sunken;
  ctx.fillRect(area.left, area.top, right - area.left, area.height);
  ctx.restore();
}

// Above the lines, so that it can be read; shortened where the part is narrow.
function nameUnjudged(chart, model, colors) {
  if (!model.unjudgedUntil) return;
  const { ctx, chartArea: area, scales } = chart;
  const room = scales.x.getPixelForValue(model.unjudgedUntil + 0.5) - area.left - 8;
  ctx.font = font(11.5);
  const texts = [`not judged before report ${model.unjudgedUntil + 1}`, "not judged"];
  const text = texts.find((each) => ctx.measureText(each).width <= room);
  const style = { color: colors.ink3, halo: colors.sunken, font: font(11.5) };
  if (text) haloText(ctx, text, area.left + 6, area.top + 10, style);
}

function drawEnded(chart, model, colors) {
  if (!model.endedAt) return;
  const { ctx, chartArea: area, scales } = chart;
  const x = scales.x.getPixelForValue(model.endedAt);
  ctx.save();
  ctx.setLineDash([3, 3]);
  ctx.strokeStyle = colors.fill[model.state] ?? colors.line2;
  ctx.lineWidth = 1;
  ctx.beginPath();
  ctx.moveTo(x, area.top);
  ctx.lineTo(x, area.bottom);
  ctx.stroke();
  ctx.restore();
}

function thresholdWords(chart, model, colors) {
  const wide = chart.width >= 560;
  const tone = colors.tone[model.state] ?? colors.accent;
  const valued = (word, points) => {
    const text = metric(points.at(-1)?.[1] ?? null);
    return wide ? [`${word} ${text}`] : [word, text];
  };
  const labels = [
    { index: 1, lines: valued(model.lineName ?? "threshold", model.threshold), color: colors.ink, weight: 600 },
    { index: 0, lines: valued("own best", model.best), color: tone, weight: 600 },
    { index: 2, lines: ["its reports"], color: tone, weight: 400 },
  ];
  drawEndWords(chart, labels, colors);
}

function thresholdPlugin(state) {
  return {
    id: "threshold",
    beforeDraw: (chart) => drawUnjudged(chart, state.model, palette()),
    afterDatasetsDraw(chart) {
      const colors = palette();
      drawEnded(chart, state.model, colors);
      nameUnjudged(chart, state.model, colors);
      thresholdWords(chart, state.model, colors);
      drawPlace(chart, state, colors);
    },
  };
}

// The values at a report: [{name, value}] of lines with a value there. Pure.
export function valuesAt({ reports, best, threshold, lineName = "threshold" }, n) {
  const named = [["reported", reports], ["own best", best], [lineName, threshold]];
  return named.flatMap(([name, points]) => {
    const value = points.find((point) => point[0] === n)?.[1];
    return Number.isFinite(value) ? [{ name, value }] : [];
  });
}

function contentAt({ model, scale }, n) {
  const colors = palette();
  const own = colors.fill[model.state] ?? colors.accent;
  const found = valuesAt(model, n);
  return {
    title: `Report ${n}`,
    rows: found.map(({ name, value }) => ({ name, text: metric(value) })),
    marks: found.map(({ name, value }) => ({
      y: scale.forward(value),
      color: name === "threshold" ? colors.ink : own,
    })),
  };
}

// Returns what liveChart returns.
export function drawThreshold(canvas, model) {
  const tip = createTooltip(canvas);
  const state = { model, hovered: null };
  const places = () => state.model.reports.map((point) => point[0]);
  state.hover = placeHover(state, tip, places, (n) => contentAt(state, n));
  return liveChart(canvas, {
    type: "line",
    state,
    tip,
    measure: measureThreshold,
    datasets: thresholdSets,
    options: (now, colors) =>
      lineOptions(now, colors, now.model.xLabel ?? "report", canvas.parentElement.clientWidth < 560 ? 70 : 130),
    plugins: [thresholdPlugin(state)],
  });
}

export function thresholdTable(model) {
  const at = (points, n) => points.find((point) => point[0] === n)?.[1] ?? null;
  return {
    caption: `${model.metric} against the threshold, report by report`,
    columns: ["report", "reported", "own best", "threshold"],
    rows: model.reports.map(([n, value]) => [
      n,
      metric(value),
      metric(at(model.best, n)),
      metric(at(model.threshold, n)),
    ]),
  };
}
