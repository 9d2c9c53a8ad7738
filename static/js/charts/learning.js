// Learning curves: of few trials all; of many the density, with the best, running, ticked
// and selected ones as lines, which are fetched when they are few.

import { curvesTable, drawCurves } from "./curves.js";
import { trialAt } from "./data/columns.js";
import { font } from "./defaults.js";
import { inSight } from "./in_sight.js";
import { haloText } from "./marks.js";

// At most this many selected trials get their own curves.
const MAX_FETCHED = 60;
// Over this many trials curves are drawn on the density of all.
const MAX_LINES = 300;
const WAIT_MS = 400;
// Hundreds of curves are styled anew once a brush rests.
const SETTLED_MS = 60;

// The model of charts/curves.js, from the feed's answer. Pure.
export function curvesModel(columns, { numbers, points }) {
  const trials = numbers.flatMap((number, k) => {
    const row = columns.rowOf.get(number);
    return row === undefined ? [] : [{ ...trialAt(columns, row), reports: columns.reports[row] || 0, curve: points[k] }];
  });
  return { objective: { metric: columns.metric, goal: columns.goal }, xLabel: "report", trials };
}

// Which ticked and selected trials have no curve yet; of the selected none if they are
// many. Pure.
export function missingNumbers(columns, mask, known, ticked = []) {
  const selected = mask ? columns.drawn.filter((row) => mask[row]) : [];
  const rows = [...new Set([...(selected.length > MAX_FETCHED ? [] : selected), ...ticked.slice(0, MAX_FETCHED)])];
  return rows.map((row) => columns.number[row]).filter((number) => !known.has(number));
}

function drawUnder(answer, isDense) {
  return (chart, state, colors) => {
    const { quantiles } = answer();
    const { ctx, chartArea: area, scales } = chart;
    if (state.x !== "report" || !quantiles || state.model.trials.length < 100) return;
    ctx.save();
    if (isDense()) drawBands(ctx, area, { scales, forward: state.scale.forward }, quantiles, colors);
    const pixels = (levels) => quantiles.reports.map((report, k) => [
      scales.x.getPixelForValue(report), scales.y.getPixelForValue(state.scale.forward(levels[k])),
    ]);
    quantiles.levels.forEach((level, k) => {
      const values = quantiles.values.map((each) => each[k]);
      const points = pixels(values).filter(([, y]) => Number.isFinite(y));
      if (points.length < 2) return;
      const middle = level === 0.5;
      ctx.beginPath();
      points.forEach(([x, y], place) => (place === 0 ? ctx.moveTo(x, y) : ctx.lineTo(x, y)));
      ctx.setLineDash(middle ? [] : [3, 3]);
      ctx.lineWidth = middle ? 2 : 1;
      ctx.strokeStyle = middle ? colors.ink : colors.ink3;
      ctx.stroke();
      const [x, y] = points.at(-1);
      const style = { color: colors.ink2, halo: colors.surface, font: font(11.5, 600) };
      haloText(ctx, middle ? "median" : `${Math.round(level * 100)} %`, Math.min(x + 6, area.right + 6), y, style);
    });
    ctx.restore();
  };
}

// How dense the curves are: each band between two quantiles holds as many of them, so a
// narrow one is dark. The tone is less where fewer trials come so far.
function drawBands(ctx, area, { scales, forward }, { reports, trials, bands }, colors) {
  const xs = reports.map((report) => scales.x.getPixelForValue(report));
  ctx.fillStyle = colors.ink2;
  reports.forEach((_, k) => {
    const left = k === 0 ? xs[0] : (xs[k - 1] + xs[k]) / 2;
    const right = k === xs.length - 1 ? xs[k] : (xs[k] + xs[k + 1]) / 2;
    const ys = bands[k].map((value) => scales.y.getPixelForValue(forward(value)));
    for (let band = 0; band + 1 < ys.length; band += 1) {
      const height = Math.max(1, Math.abs(ys[band + 1] - ys[band]));
      const dense = (area.bottom - area.top) / height / (ys.length - 1);
      ctx.globalAlpha = Math.min(0.45, 0.07 * dense * (trials[k] / trials[0]));
      ctx.fillRect(left, Math.min(ys[band], ys[band + 1]), right - left, height);
    }
  });
  ctx.globalAlpha = 1;
}

// As linked_cards.js makes it: the chart, or a sentence.
export async function drawLearning(card, page) {
  const { linked, answers, spreadNow } = page;
  let answer = await answers.get("curves");
  if (!answer.ready) return answer.sentence;
  let model = curvesModel(linked.columns, answer);
  let timer = null;
  const isDense = () => {
    const as = card.valueOf("as");
    return as ? as === "density" : linked.columns.order.length > MAX_LINES;
  };
  // On a density these alone are lines.
  const isShown = ({ number, best, state }) => {
    if (!isDense() || best || state === "running") return true;
    const row = linked.columns.rowOf.get(number);
    return linked.ticked.includes(row) || (linked.mask !== null && linked.count <= MAX_LINES && linked.isSelected(row));
  };
  const settings = () => ({
    x: card.valueOf("x") || "report",
    smooth: Number(card.valueOf("smooth")) || 0,
    y: spreadNow() || null,
  });
  const chart = drawCurves(card.canvas, model, { ...settings(), linked, isShown, under: drawUnder(() => answer, isDense) });

  async function fetchMissing() {
    const known = new Set(answer.numbers);
    const missing = missingNumbers(linked.columns, linked.mask, known, linked.ticked);
    if (missing.length === 0) return;
    const more = await answers.get("curves", { numbers: missing.join(",") });
    if (!more.ready) return;
    answer = { ...answer, numbers: [...answer.numbers, ...more.numbers], points: [...answer.points, ...more.points] };
    model = curvesModel(linked.columns, answer);
    chart.update(model);
  }

  function selected() {
    chart.set({});
    timer = setTimeout(fetchMissing, WAIT_MS);
  }

  const sight = inSight(card.canvas, (kinds) => {
    if (kinds.has("selection")) {
      clearTimeout(timer);
      timer = setTimeout(selected, SETTLED_MS);
    } else if (kinds.has("hover")) chart.chart.draw();
  });
  const end = linked.subscribe(sight.run);
  return {
    redraw: () => chart.set(settings()),
    async renew() {
      const next = await answers.get("curves");
      if (!next.ready) return;
      answer = next;
      model = curvesModel(linked.columns, answer);
      chart.update(model);
      fetchMissing();
    },
    words: () => (isDense() && answer.quantiles ? answer.dense : answer.sentence),
    table: () => ({ ...curvesTable(model), total: model.trials.length }),
    destroy() {
      clearTimeout(timer);
      end();
      sight.end();
      chart.destroy();
    },
  };
}
