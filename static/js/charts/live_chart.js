// The life of a chart, the same for all: built from a model, rebuilt when the model, an
// option or the theme changes, taken down with its tooltip.

import { Chart, applyDefaults, onThemeChange, palette } from "./defaults.js";

// Why nothing is drawn, in a sentence; empty where a finite value is drawn. Pure.
// lists: the points [[x, y], …] of each line; names: of the lines, if they have any.
export function emptyWords(lists, names = []) {
  const points = lists.flat();
  if (points.length === 0) return "No values yet.";
  if (points.some((point) => Number.isFinite(point[1]))) return "";
  return `No value of ${names.join(" and ") || "these"} is a finite number: all are NaN or infinite.`;
}

// A frame that changes its size while the chart is made would have it drawn before it has
// an area to draw in: Chart.js draws at once, and lays out after its resizeDelay.
const laidOut = { id: "laid-out", beforeDraw: ({ chartArea }) => chartArea !== undefined };

function wordsBelow(canvas) {
  const words = document.createElement("p");
  words.className = "chart-empty";
  canvas.after(words);
  return words;
}

// parts: {type, state, measure(state), datasets(state, colors), options(state, colors),
// plugins, tip}. `state` holds the model and the options, and whatever measure() adds;
// with `empty` there, that sentence is shown and no axes.
// Returns {chart, update(model), set(options), destroy()}.
export function liveChart(canvas, parts) {
  const { type, state, measure, datasets, options, plugins = [], tip } = parts;

  const words = wordsBelow(canvas);

  function content() {
    applyDefaults();
    measure(state);
    words.textContent = state.empty ?? "";
    canvas.style.visibility = state.empty ? "hidden" : "";
    const colors = palette();
    return { data: { datasets: datasets(state, colors) }, options: options(state, colors) };
  }

  const chart = new Chart(canvas, { type, plugins: [laidOut, ...plugins], ...content() });

  function redraw() {
    const { data, options: fresh } = content();
    chart.data.datasets = data.datasets;
    chart.options = fresh;
    chart.update("none");
  }

  function leave() {
    state.hovered = null;
    tip?.hide();
    chart.draw();
  }

  const forget = onThemeChange(redraw);
  canvas.addEventListener("mouseleave", leave);
  return {
    chart,
    update(model) {
      state.model = model;
      redraw();
    },
    set(changes) {
      Object.assign(state, changes);
      redraw();
    },
    destroy() {
      forget();
      canvas.removeEventListener("mouseleave", leave);
      tip?.remove();
      words.remove();
      chart.destroy();
    },
  };
}
