// What failed trials share: the values of a parameter in failed trials, above the line,
// and in trials that ran, below it, each in percent of its own trials.
//
// Model: {
//   failed: 4, ran: 22,                     how many trials there are of either
//   parameters: [{name, bars: [{tick, label, failed, ran}, …]}, …]
// }
// Option: parameter, the name of the parameter to draw; else the first.

import { font, palette } from "./defaults.js";
import { liveChart } from "./live_chart.js";
import { haloText } from "./marks.js";
import { createTooltip } from "./tooltip.js";

const MAX_TICK_LENGTH = 14;

// The parameter that is drawn. Pure.
export function picked({ parameters }, name) {
  return parameters.find((each) => each.name === name) ?? parameters[0];
}

// [{x, y}] for both; those that ran below zero. Pure.
export function heights({ bars }, { failed, ran }) {
  const of = (count, total) => (total > 0 ? count / total : 0);
  return {
    failed: bars.map((bar, x) => ({ x, y: of(bar.failed, failed) })),
    ran: bars.map((bar, x) => ({ x, y: -of(bar.ran, ran) })),
  };
}

export function shortTick(text) {
  return text.length > MAX_TICK_LENGTH ? `${text.slice(0, MAX_TICK_LENGTH - 1)}…` : text;
}

function measure(state) {
  state.hovered = null;
  state.drawn = picked(state.model, state.parameter);
  state.heights = heights(state.drawn, state.model);
}

function datasets({ heights: { failed, ran } }, colors) {
  const look = { grouped: false, borderRadius: 2, maxBarThickness: 56, categoryPercentage: 0.8, barPercentage: 0.9 };
  return [
    { data: failed, backgroundColor: colors.fill.failed, ...look },
    { data: ran, backgroundColor: colors.ink3, ...look },
  ];
}

const percent = (share) => `${Math.round(Math.abs(share) * 100)} %`;

function valueAxis({ heights: { failed, ran } }, colors) {
  // Room for the two names at the ends.
  const most = 1.3 * Math.max(...failed.map(({ y }) => y), ...ran.map(({ y }) => -y), 0.1);
  return {
    type: "linear",
    min: -most,
    max: most,
    border: { display: false },
    grid: { color: (tick) => (tick.tick.value === 0 ? colors.line2 : colors.grid), drawTicks: false },
    ticks: { color: colors.ink3, padding: 6, maxTicksLimit: 7, includeBounds: false, callback: percent },
  };
}

function placeAxis({ drawn }, colors) {
  return {
    type: "category",
    labels: drawn.bars.map(({ tick }) => tick),
    offset: true,
    border: { display: false },
    grid: { display: false },
    title: { display: true, text: drawn.name, color: colors.ink3, font: { size: 11.5 }, padding: { top: 2 } },
    ticks: {
      color: colors.ink3,
      padding: 6,
      maxRotation: 40,
      callback: (place) => shortTick(drawn.bars[place].tick),
    },
  };
}

function options(state, colors) {
  return {
    layout: { padding: { right: 8, top: 8 } },
    events: ["mousemove", "mouseout"],
    onHover: (event, _, chart) => state.hover(event, chart),
    scales: { x: placeAxis(state, colors), y: valueAxis(state, colors) },
  };
}

// Which trials are above the line, and which below.
function namesPlugin(state) {
  return {
    id: "shares",
    afterDatasetsDraw(chart) {
      const colors = palette();
      const { ctx, chartArea: area } = chart;
      const { failed, ran } = state.model;
      const style = { halo: colors.surface, font: font(11.5, 600) };
      haloText(ctx, `the ${failed} failed`, area.left + 6, area.top + 9, { ...style, color: colors.tone.failed });
      haloText(ctx, `the ${ran} that ran`, area.left + 6, area.bottom - 9, { ...style, color: colors.ink2 });
    },
  };
}

function hoverOf(state, tip) {
  return (event, chart) => {
    const { x: across } = chart.scales;
    const { left, right } = chart.chartArea;
    const inside = event.x >= left && event.x <= right;
    const bar = inside ? state.drawn.bars[across.getValueForPixel(event.x)] : undefined;
    if (!bar) {
      tip.hide();
      return;
    }
    const rows = [
      { name: "failed", text: `${bar.failed} of ${state.model.failed}` },
      { name: "ran", text: `${bar.ran} of ${state.model.ran}` },
    ];
    tip.show({ title: `${state.drawn.name} ${bar.label}`, rows }, { x: event.x, y: event.y });
  };
}

// Returns what liveChart returns.
export function drawShares(canvas, model) {
  const tip = createTooltip(canvas);
  const state = { model, hovered: null };
  state.hover = hoverOf(state, tip);
  return liveChart(canvas, { type: "bar", state, tip, measure, datasets, options, plugins: [namesPlugin(state)] });
}

export function sharesTable({ failed, ran, parameters }) {
  return {
    caption: "How many trials failed, and how many ran, by value",
    columns: ["parameter", "value", `failed, of ${failed}`, `ran, of ${ran}`],
    rows: parameters.flatMap(({ name, bars }) => bars.map((bar) => [name, bar.label, bar.failed, bar.ran])),
  };
}
