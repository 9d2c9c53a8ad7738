// The charts of one trial.
//
// drawThreshold, model: {
//   metric, goal, xLabel: "report (epoch)",
//   state: "terminated",                  whose tones the trial's own lines take
//   reports: [[n, value], …],             as reported; null where not finite
//   best: [[n, value], …],                the best up to each report
//   threshold: [[n, value], …],           from the first report that was judged
//   rivals: [[[n, value], …], …],         running averages of the other trials
//   unjudgedUntil: 4,                     the last report that no check looked at, or 0
//   endedAt: 15                           the report after which it ended, or null
// }
// drawLines, model: {
//   xLabel, y: "linear" | "log" | "stretched" (optional),
//   goal: with it better is up and the axis may be stretched, as for the objective;
//         without it the axis is a plain one (optional),
//   series: [{name, points: [[x, y], …]}]      an x that comes twice makes a stair
// }

import { metric } from "../format.js";
import { domainOf, makeScale, preferredKind, tickText, wholeTicks } from "../scales.js";
import { axis, font, padded, palette } from "./defaults.js";
import { spread } from "./labels.js";
import { liveChart } from "./live_chart.js";
import { haloText } from "./marks.js";

const DASHES = [[], [4, 3], [1.5, 3], [8, 3], [8, 3, 2, 3], [2, 2]];

function numbers(lists, column) {
  return lists.flat().map((point) => point[column]).filter(Number.isFinite);
}

function span(lists) {
  const xs = numbers(lists, 0);
  if (xs.length === 0) return [1, 2];
  const low = Math.min(...xs);
  return [low, Math.max(...xs, low + 1)];
}

function onScale(points, scale) {
  return points.map(([x, y]) => ({ x, y: Number.isFinite(y) ? scale.forward(y) : Number.NaN }));
}

function xAxis(state, colours, title) {
  const [min, max] = state.xs;
  const counted = Number.isInteger(min) && Number.isInteger(max);
  const scale = counted
    ? { forward: (value) => value, ticks: (pixels) => wholeTicks(min, max, pixels / 70), text: tickText }
    : makeScale("linear", [min, max]);
  return axis(scale, { title, colours, horizontal: true, min, max });
}

function baseOptions(state, colours, title, right) {
  return {
    layout: { padding: { right, top: 8 } },
    events: [],
    scales: {
      x: xAxis(state, colours, title),
      y: axis(state.scale, { colours, ...padded(state.scale) }),
    },
  };
}

function lastPoint(chart, index) {
  const points = chart.getDatasetMeta(index).data.filter((point) => Number.isFinite(point.y));
  return points.at(-1) ?? null;
}

// Words at the ends of lines, in one column at the right, moved apart where they meet.
// labels: [{index (of the dataset), lines: [text], colour, weight}].
function drawEndWords(chart, labels, colours) {
  const { ctx, chartArea } = chart;
  const found = labels
    .map((label) => ({ ...label, end: lastPoint(chart, label.index) }))
    .filter((label) => label.end);
  const tall = Math.max(15, ...found.map((label) => label.lines.length * 14 + 1));
  const centres = spread(found.map((label) => label.end.y), tall, 8, chartArea.bottom - 6);
  found.forEach(({ lines, colour, weight, end }, k) => {
    const top = centres[k] - ((lines.length - 1) * 14) / 2;
    const x = Math.max(end.x, chartArea.left) + 8;
    lines.forEach((text, row) => {
      const style = { colour, halo: colours.surface, font: font(11.5, weight) };
      haloText(ctx, text, x, top + row * 14, style);
    });
  });
}

function thresholdSets({ model, scale }, colours) {
  const fill = colours.fill[model.state] ?? colours.accent;
  const line = (points, style) => ({ data: onScale(points, scale), ...style });
  return [
    line(model.best, { borderColor: fill, borderWidth: 2.5, order: 1 }),
    line(model.threshold, { borderColor: colours.ink, borderWidth: 2, order: 2 }),
    line(model.reports, { borderColor: fill, borderWidth: 1.25, borderDash: [4, 3], order: 3 }),
    ...model.rivals.map((points) => line(points, { borderColor: colours.line2, borderWidth: 1, order: 4 })),
  ];
}

function measureThreshold(state) {
  const { model } = state;
  const own = [model.best, model.threshold, model.reports];
  const musts = numbers([model.best, model.threshold], 1);
  const values = numbers([...own, ...model.rivals], 1);
  state.xs = span(own);
  state.scale = makeScale("linear", domainOf(values, { goal: model.goal, musts }), model.goal);
}

function drawUnjudged(chart, model, colours) {
  if (!model.unjudgedUntil) return;
  const { ctx, chartArea: area, scales } = chart;
  const right = Math.min(area.right, scales.x.getPixelForValue(model.unjudgedUntil + 0.5));
  ctx.save();
  ctx.fillStyle = colours.sunken;
  ctx.fillRect(area.left, area.top, right - area.left, area.height);
  ctx.restore();
}

// Above the lines, so that it can be read; shortened where the part is narrow.
function nameUnjudged(chart, model, colours) {
  if (!model.unjudgedUntil) return;
  const { ctx, chartArea: area, scales } = chart;
  const room = scales.x.getPixelForValue(model.unjudgedUntil + 0.5) - area.left - 8;
  ctx.font = font(11.5);
  const texts = [`not judged before report ${model.unjudgedUntil + 1}`, "not judged"];
  const text = texts.find((each) => ctx.measureText(each).width <= room);
  const style = { colour: colours.ink3, halo: colours.sunken, font: font(11.5) };
  if (text) haloText(ctx, text, area.left + 6, area.top + 10, style);
}

function drawEnded(chart, model, colours) {
  if (!model.endedAt) return;
  const { ctx, chartArea: area, scales } = chart;
  const x = scales.x.getPixelForValue(model.endedAt);
  ctx.save();
  ctx.setLineDash([3, 3]);
  ctx.strokeStyle = colours.fill[model.state] ?? colours.line2;
  ctx.lineWidth = 1;
  ctx.beginPath();
  ctx.moveTo(x, area.top);
  ctx.lineTo(x, area.bottom);
  ctx.stroke();
  ctx.restore();
}

function thresholdWords(chart, model, colours) {
  const wide = chart.width >= 560;
  const tone = colours.tone[model.state] ?? colours.accent;
  const valued = (word, points) => {
    const text = metric(points.at(-1)?.[1] ?? null);
    return wide ? [`${word} ${text}`] : [word, text];
  };
  const labels = [
    { index: 1, lines: valued("threshold", model.threshold), colour: colours.ink, weight: 600 },
    { index: 0, lines: valued("own best", model.best), colour: tone, weight: 600 },
    { index: 2, lines: ["its reports"], colour: tone, weight: 400 },
  ];
  drawEndWords(chart, labels, colours);
}

function thresholdPlugin(state) {
  return {
    id: "threshold",
    beforeDraw: (chart) => drawUnjudged(chart, state.model, palette()),
    afterDatasetsDraw(chart) {
      const colours = palette();
      drawEnded(chart, state.model, colours);
      nameUnjudged(chart, state.model, colours);
      thresholdWords(chart, state.model, colours);
    },
  };
}

export function drawThreshold(canvas, model) {
  const state = { model };
  return liveChart(canvas, {
    type: "line",
    state,
    measure: measureThreshold,
    datasets: thresholdSets,
    options: (now, colours) =>
      baseOptions(now, colours, now.model.xLabel ?? "report", canvas.parentElement.clientWidth < 560 ? 70 : 130),
    plugins: [thresholdPlugin(state)],
  });
}

function measureLines(state) {
  const { series, goal, y } = state.model;
  const lists = series.map(({ points }) => points);
  const values = numbers(lists, 1);
  const kind = state.y || y || (goal ? preferredKind(values, goal) : "linear");
  state.xs = span(lists);
  // What is used up, such as compute, starts at nothing.
  if (lists.some(hasStairs)) state.xs[0] = Math.min(0, state.xs[0]);
  // Only the objective's axis is turned so that better is up.
  state.scale = makeScale(kind, domainOf(values, { goal: goal ?? "minimize" }), goal);
}

// Points above one another are corners of a stair, which smoothing would break.
function hasStairs(points) {
  return points.some((point, k) => k > 0 && point[0] === points[k - 1][0]);
}

function lineSets({ model, scale }, colours) {
  return model.series.map(({ points }, k) => ({
    data: onScale(points, scale),
    borderColor: k % 2 === 0 ? colours.ink3 : colours.ink,
    borderDash: DASHES[k % DASHES.length],
    borderWidth: 1.75,
    cubicInterpolationMode: hasStairs(points) ? "default" : "monotone",
  }));
}

function namesPlugin(state) {
  return {
    id: "names",
    afterDatasetsDraw(chart) {
      const colours = palette();
      const labels = state.model.series.map(({ name }, index) => ({
        index,
        lines: [name],
        colour: index % 2 === 0 ? colours.ink2 : colours.ink,
        weight: 600,
      }));
      drawEndWords(chart, labels, colours);
    },
  };
}

export function drawLines(canvas, model) {
  const state = { model };
  const longest = () => Math.max(4, ...state.model.series.map(({ name }) => name.length));
  return liveChart(canvas, {
    type: "line",
    state,
    measure: measureLines,
    datasets: lineSets,
    options: (now, colours) =>
      baseOptions(now, colours, now.model.xLabel, Math.min(140, longest() * 7 + 14)),
    plugins: [namesPlugin(state)],
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

export function linesTable({ series, xLabel = "x" }) {
  const xs = [...new Set(series.flatMap(({ points }) => points.map((point) => point[0])))];
  const at = (points, x) => points.find((point) => point[0] === x)?.[1] ?? null;
  return {
    caption: series.map(({ name }) => name).join(", "),
    columns: [xLabel, ...series.map(({ name }) => name)],
    rows: xs.sort((a, b) => a - b).map((x) => [x, ...series.map(({ points }) => metric(at(points, x)))]),
  };
}
