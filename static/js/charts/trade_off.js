// What each policy saves and loses: a line over the range of one of its settings, the
// sweep's own in the accent color, the others in gray with different dashes.
//
// Model: {metric, happened: {saved, name}, families: [{name, field, own, points: [{words,
//   saved, places, regret, ended, current}]}]}; saved is a share, regret in the metric.
// Option, also for set(): lost "places" | "regret".

import { number } from "../format.js";
import { roundTicks, tickText, TURNED } from "../scales.js";
import { axis, font, palette } from "./defaults.js";
import { placeLabels } from "./labels.js";
import { liveChart } from "./live_chart.js";
import { dot, haloText, ring } from "./marks.js";
import { createTooltip } from "./tooltip.js";

const DASHES = [[5, 3], [2, 3], [8, 3, 2, 3], [1, 4], [10, 4], [4, 2, 1, 2, 1, 2]];
const NEAR = 18;

// The families that have points, each of them in the order of its setting. Pure.
export function drawnFamilies({ families }) {
  return families.filter(({ points }) => points.length > 0);
}

// The ends of both axes: nothing is cut off, and both begin at nothing. Pure.
export function spans({ families, happened }, lost) {
  const points = families.flatMap((family) => family.points);
  const saved = Math.max(0.1, happened.saved, ...points.map((point) => point.saved));
  const most = Math.max(0, ...points.map((point) => point[lost]));
  const least = lost === "places" ? 1 : 1e-6;
  return { saved: Math.min(1, saved * 1.04), lost: Math.max(least, most) };
}

function scales(state) {
  const { saved, lost } = spans(state.model, state.lost);
  const percent = {
    forward: (value) => value,
    ticks: (pixels) => roundTicks(0, saved * 100, Math.max(2, pixels / 90)).map((tick) => tick / 100),
    text: (value) => tickText(Math.round(value * 100)),
  };
  const down = {
    forward: (value) => -value,
    ticks: (pixels) => roundTicks(0, lost, Math.max(2, pixels / 50)),
    text: tickText,
  };
  return { percent, down, saved, lost };
}

function datasets(state, colors) {
  let others = 0;
  return drawnFamilies(state.model).map((family) => {
    const dash = family.own ? [] : DASHES[others++ % DASHES.length];
    return {
      family,
      data: family.points.map((point) => ({ x: point.saved, y: -point[state.lost], point })),
      borderColor: family.own ? colors.accent : colors.ink3,
      borderWidth: family.own ? 2 : 1.25,
      borderDash: dash,
      order: family.own ? 0 : 1,
      clip: false,
    };
  });
}

function options(state, colors) {
  const { percent, down, saved, lost } = scales(state);
  const title = state.lost === "places" ? "places lost" : `${state.model.metric} lost`;
  return {
    layout: { padding: { right: 24, top: 26, left: 4 } },
    events: ["mousemove", "mouseout", "click", "touchstart", "touchmove"],
    onHover: (event, _, chart) => hover(state, chart, event),
    scales: {
      x: { ...axis(percent, { title: "compute saved, %", colors, horizontal: true, min: 0, max: saved }), grid: { color: colors.grid, drawTicks: false } },
      y: axis(down, { title: `${title} (${TURNED})`, colors, min: -lost * 1.06, max: lost * 0.06 }),
    },
  };
}

// ---- marks and words ------------------------------------------------------------------

function drawPoints(chart, colors) {
  chart.data.datasets.forEach(({ family }, index) => {
    const color = family.own ? colors.accent : colors.ink3;
    chart.getDatasetMeta(index).data.forEach((place, k) => {
      const size = family.points[k].current ? 7 : family.own ? 3.5 : 2.2;
      dot(chart.ctx, place.x, place.y, size, color, colors.surface);
    });
  });
}

// Next to the point, or `above` the line that continues from it.
function labelOf(chart, index, k, text, color, above = 0) {
  const place = chart.getDatasetMeta(index).data[k];
  chart.ctx.font = font(11.5, 600);
  const width = chart.ctx.measureText(text).width;
  return { x: place.x, y: place.y - above, width, height: 14, away: above > 0 ? -5 : 9, text, color };
}

// One's own setting first, then where each line ends, then the other end of one's own.
function wanted(chart, colors) {
  const found = [];
  chart.data.datasets.forEach(({ family }, index) => {
    const color = family.own ? colors.accent : colors.ink2;
    const last = family.points.length - 1;
    const far = family.points[0].saved > family.points[last].saved ? 0 : last;
    const current = family.points.findIndex((point) => point.current);
    if (current >= 0) found.push({ rank: 0, ...labelOf(chart, index, current, `your setting: ${family.points[current].words}`, color, 18) });
    if (far !== current) found.push({ rank: family.own ? 1 : 2, ...labelOf(chart, index, far, `${family.name}, ${family.points[far].words}`, color) });
    const near = last - far;
    if (family.own && near !== current && near !== far) found.push({ rank: 3, ...labelOf(chart, index, near, family.points[near].words, color, 13) });
  });
  return found.sort((a, b) => a.rank - b.rank);
}

function happenedAt(chart, { happened }) {
  return { x: chart.scales.x.getPixelForValue(happened.saved), y: chart.scales.y.getPixelForValue(0) };
}

function drawWords(chart, state, colors) {
  const { ctx, chartArea } = chart;
  const area = { left: chartArea.left, right: chart.width, top: 0, bottom: chartArea.bottom };
  const start = happenedAt(chart, state.model);
  ring(ctx, start.x, start.y, 5, colors.ink, colors.surface);
  ctx.font = font(11.5, 600);
  const text = state.model.happened.name;
  const first = { ...start, y: start.y - 15, width: ctx.measureText(text).width, height: 14, away: 0, text, color: colors.ink };
  for (const { box, text: words, color } of placeLabels([first, ...wanted(chart, colors)], area)) {
    haloText(ctx, words, box.x, box.y + box.height / 2, { color, halo: colors.surface, font: font(11.5, 600) });
  }
}

function marksPlugin(state) {
  return {
    id: "marks",
    afterDatasetsDraw(chart) {
      const colors = palette();
      drawPoints(chart, colors);
      drawWords(chart, state, colors);
    },
  };
}

// ---- the point under the pointer --------------------------------------------------------

function nearest(chart, event) {
  let best = null;
  chart.data.datasets.forEach((set, index) => {
    chart.getDatasetMeta(index).data.forEach((place, k) => {
      const away = Math.hypot(place.x - event.x, place.y - event.y);
      if (away < NEAR && (!best || away < best.away)) best = { away, place, family: set.family, point: set.family.points[k] };
    });
  });
  return best;
}

function hover(state, chart, event) {
  const found = event.type === "mouseout" ? null : nearest(chart, event);
  if (!found) {
    state.tip.hide();
    return;
  }
  const { family, point, place } = found;
  state.tip.show({ title: `${family.name}, ${point.words}`, rows: facts(point) }, place);
}

function share(value) {
  return `${number(value * 100, 3)} %`;
}

function facts(point) {
  return [
    { name: "saved", text: share(point.saved) },
    { name: "trials ended", text: number(point.ended, 3) },
    { name: "places lost", text: number(point.places, 3) },
    { name: "metric lost", text: number(point.regret, 3) },
  ];
}

// Returns what liveChart returns.
export function drawTradeOff(canvas, model, { lost = "places" } = {}) {
  const tip = createTooltip(canvas);
  const state = { model, lost, tip };
  return liveChart(canvas, { type: "line", state, tip, measure: () => {}, datasets, options, plugins: [marksPlugin(state)] });
}

// The same as a table, a row for each setting. Pure.
export function tradeOffTable(model) {
  return {
    caption: `Share of the compute that is saved, and how much ${model.metric} is lost`,
    columns: ["policy", "setting", "saved", "trials ended", "places lost", "metric lost"],
    rows: drawnFamilies(model).flatMap((family) =>
      family.points.map((point) => [
        family.name,
        point.current ? `${point.words} (your setting)` : point.words,
        ...facts(point).map(({ text }) => text),
      ]),
    ),
  };
}
