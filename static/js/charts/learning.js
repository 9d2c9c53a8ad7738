// Learning curves of many trials: the best, those that run and a fair sample, on the
// density of all; the selected ones are fetched when they are few.

import { curvesTable, drawCurves } from "./curves.js";
import { trialAt } from "./data/columns.js";
import { font } from "./defaults.js";
import { picture } from "./density.js";
import { inSight } from "./in_sight.js";
import { haloText } from "./marks.js";

// At most this many selected trials get their own curves.
const MAX_FETCHED = 60;
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

// Which selected trials have no curve yet; none if they are many. Pure.
export function missingNumbers(columns, mask, known) {
  if (!mask) return [];
  const rows = columns.drawn.filter((row) => mask[row]);
  if (rows.length > MAX_FETCHED) return [];
  return rows.map((row) => columns.number[row]).filter((number) => !known.has(number));
}

function drawUnder(answer) {
  return (chart, state, colors) => {
    const { quantiles, grid } = answer();
    const { ctx, chartArea: area, scales } = chart;
    if (state.x !== "report" || !quantiles || state.model.trials.length < 100) return;
    ctx.save();
    if (grid && state.scale.kind === grid.spread) drawGrid(ctx, area, grid, colors);
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

function drawGrid(ctx, area, grid, colors) {
  ctx.drawImage(
    picture(Float32Array.from(grid.counts), { columns: grid.columns, rows: grid.rows, color: colors.ink2, strength: 0.5 }),
    area.left, area.top, area.right - area.left, area.bottom - area.top,
  );
}

// As linked_cards.js makes it: the chart, or a sentence.
export async function drawLearning(card, page) {
  const { linked, answers, spreadNow } = page;
  let answer = await answers.get("curves");
  if (!answer.ready) return answer.sentence;
  let model = curvesModel(linked.columns, answer);
  let timer = null;
  const settings = () => ({
    x: card.valueOf("x") || "report",
    smooth: Number(card.valueOf("smooth")) || 0,
    y: spreadNow() || null,
  });
  const chart = drawCurves(card.canvas, model, { ...settings(), linked, under: drawUnder(() => answer) });

  async function fetchMissing() {
    const known = new Set(answer.numbers);
    const missing = missingNumbers(linked.columns, linked.mask, known);
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
    words: () => answer.sentence,
    table: () => ({ ...curvesTable(model), total: model.trials.length }),
    destroy() {
      clearTimeout(timer);
      end();
      sight.end();
      chart.destroy();
    },
  };
}
