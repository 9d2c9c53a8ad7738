// The ends of learning curves: a mark of the trial's state, and the number of important
// trials.

import { metric } from "../format.js";
import { lookOf } from "../states.js";
import { font } from "./defaults.js";
import { placeLabels } from "./labels.js";
import { cross, dot, haloText, star } from "./marks.js";

// More numbers than this are a crowd, not a help.
const MOST = 14;
// Up to this many curves, every one is named.
export const FEW = 6;
const RANK = { best: 0, running: 1, failed: 2, terminated: 3, completed: 4, cancelled: 5 };

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

// The trials with a label, the most important first: the best, running ones, failed ones,
// and the latest of those that ended early; all if there are few. Pure.
export function labelled(trials) {
  const ended = trials.filter((trial) => !trial.best && trial.state === "terminated");
  const usual = median(ended.map((trial) => trial.reports));
  const late = (trial) => ended.length <= 3 || trial.reports > usual * 1.15;
  const wanted = trials.filter((trial) => {
    const look = lookOf(trial).name;
    if (trials.length <= FEW) return look in RANK;
    return look === "terminated" ? late(trial) : RANK[look] <= RANK.failed;
  });
  const byRank = (a, b) => RANK[lookOf(a).name] - RANK[lookOf(b).name] || b.reports - a.reports;
  return wanted.sort(byRank).slice(0, MOST);
}

// Where each drawn curve ends: Map of trial number to {x, y, trial}.
function ends(chart) {
  const found = new Map();
  chart.data.datasets.forEach((set, index) => {
    if (set.halo || set.dim) return;
    const points = chart.getDatasetMeta(index).data;
    for (let k = points.length - 1; k >= 0; k -= 1) {
      if (Number.isFinite(points[k].y)) {
        found.set(set.trial.number, { x: points[k].x, y: points[k].y, trial: set.trial });
        return;
      }
    }
  });
  return found;
}

export function endMarks(chart, colors) {
  const { ctx, chartArea } = chart;
  const found = ends(chart);
  const few = found.size <= FEW;
  for (const { x, y, trial } of found.values()) {
    if (y > chartArea.bottom + 4) continue;
    const look = lookOf(trial).name;
    if (look === "best") dot(ctx, x, y, 4, colors.fill.best, colors.surface);
    if (look === "running") dot(ctx, x, y, 3.5, colors.fill.running, colors.surface);
    if (look === "completed" && few) dot(ctx, x, y, 3.5, colors.fill.completed, colors.surface);
    if (look === "terminated") dot(ctx, x, y, 3.5, colors.fill.terminated);
    if (look === "failed") cross(ctx, x, y, 3, colors.fill.failed, colors.surface);
  }
}

function labelOf(ctx, end) {
  const text = String(end.trial.number);
  const value = end.trial.best ? metric(end.trial.value) : "";
  const lead = end.trial.best ? 15 : 0;
  const width = Math.max(ctx.measureText(text).width + lead, ctx.measureText(value).width);
  return { ...end, text, value, width: width + 2, height: end.trial.best ? 28 : 14 };
}

function drawLabel(ctx, { trial, text, value, box }, colors, bold) {
  const look = lookOf(trial).name;
  const style = { color: colors.tone[look], halo: colors.surface, font: bold };
  if (look !== "best") {
    haloText(ctx, text, box.x, box.y + box.height / 2, style);
    return;
  }
  star(ctx, box.x + 6, box.y + 7, 6.2, colors.tone.best, colors.surface);
  haloText(ctx, text, box.x + 15, box.y + 8, style);
  haloText(ctx, value, box.x, box.y + 22, { ...style, font: font(11.5, 600) });
}

export function endLabels(chart, colors, model) {
  const { ctx, chartArea, width } = chart;
  const found = ends(chart);
  const bold = font(12, 600);
  ctx.font = bold;
  const labels = labelled(model.trials)
    .filter((trial) => found.has(trial.number))
    .map((trial) => labelOf(ctx, found.get(trial.number)));
  const area = { left: chartArea.left, right: width, top: 0, bottom: chartArea.bottom + 4 };
  const marks = [...found.values()]
    .filter(({ trial }) => lookOf(trial).name !== "completed")
    .map(({ x, y }) => ({ x: x - 4, y: y - 4, width: 8, height: 8 }));
  for (const label of placeLabels(labels, area, marks)) drawLabel(ctx, label, colors, bold);
}
