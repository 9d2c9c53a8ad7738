// What a chart draws, in words: its last line. Pure.

import { count } from "../format.js";

// More trials than this are drawn as density.
const MAX_LINES = 300;
// Of more, lines of the best by rank.
const MAX_BEST = 100;

// The rows of a chart, of those that it can draw: {selected (null without a selection),
// isDense: of all, lines: rows drawn one by one}.
export function pick(rows, mask) {
  const selected = mask ? rows.filter((row) => mask[row]) : null;
  const shown = selected ?? rows;
  return {
    selected,
    isDense: rows.length > MAX_LINES,
    isSelectionDense: shown.length > MAX_LINES,
    lines: shown.length > MAX_LINES ? shown.slice(0, MAX_BEST) : shown,
  };
}

const trials = (number) => (number === 1 ? "1 trial" : `${count(number)} trials`);

// How many trials have no value, by state: "10 failed trials have no value."
function withoutValue(columns) {
  const drawn = new Set(columns.drawn);
  const found = new Map();
  for (let row = 0; row < columns.size; row += 1) {
    const state = columns.states[row];
    if (!drawn.has(row)) found.set(state, (found.get(state) ?? 0) + 1);
  }
  const words = { failed: "failed", running: "running", queued: "waiting", cancelled: "cancelled" };
  const parts = Object.entries(words).flatMap(([state, word]) => (found.has(state) ? [`${count(found.get(state))} ${word}`] : []));
  const rest = (found.get("completed") ?? 0) + (found.get("terminated") ?? 0);
  if (rest > 0) parts.push(`${count(rest)} other`);
  if (parts.length === 0) return "";
  const total = [...found.values()].reduce((sum, each) => sum + each, 0);
  const list = parts.length > 1 ? `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}` : parts[0];
  return `${list} ${total === 1 ? "trial is" : "trials are"} not drawn.`;
}

export function linesWords(columns, mask) {
  const { selected, isDense, isSelectionDense, lines } = pick(columns.drawn, mask);
  const all = columns.drawn.length;
  const sample = columns.sample ? columns.sentence : "";
  const rest = withoutValue(columns);
  if (selected) {
    const other = all - selected.length;
    const ground = isDense ? "density in grey" : "grey";
    const what = isSelectionDense
      ? `Density of the ${count(selected.length)} selected, lines for their best ${lines.length}`
      : `Lines: the ${count(selected.length)} selected by rank, the best on top`;
    return [`${what}; the other ${trials(other)} with a value: ${ground}.`, sample, rest].filter(Boolean).join(" ");
  }
  const what = isDense
    ? `Density of all ${trials(all)} with a value; lines for the best ${lines.length} by rank.`
    : `Lines: ${trials(all)} with a value by rank, the best on top.`;
  return [what, sample, rest].filter(Boolean).join(" ");
}

// Of charts of points.
export function pointsWords(columns, mask) {
  const rows = columns.drawn;
  const { selected, isDense, isSelectionDense, lines } = pick(rows, mask);
  const sample = columns.sample ? ` ${columns.sentence}` : "";
  if (selected) {
    const what = isSelectionDense
      ? `Blue: density of the ${count(selected.length)} selected, marks for their best ${lines.length}`
      : `Marks: the ${count(selected.length)} selected with a value`;
    return `${what}; grey: the rest of ${trials(rows.length)}${isDense ? ", as density" : ""}.${sample}`;
  }
  if (isDense) return `Density of ${trials(rows.length)} with a value; marks for the best ${lines.length}.${sample}`;
  const failed = columns.states.filter((state) => state === "failed").length;
  return `${trials(rows.length)} with a value${failed > 0 ? "; failed trials are at the bottom" : ""}.${sample}`;
}
