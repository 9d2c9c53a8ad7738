// The life of a chart, the same for all: built from a model, rebuilt when the model, an
// option or the theme changes, taken down with its tooltip.

import { Chart, applyDefaults, onThemeChange, palette } from "./defaults.js";

// parts: {type, state, measure(state), datasets(state, colors), options(state, colors),
// plugins, tip}. `state` holds the model and the options, and whatever measure() adds.
// Returns {chart, update(model), set(options), destroy()}.
export function liveChart(canvas, parts) {
  const { type, state, measure, datasets, options, plugins = [], tip } = parts;

  function content() {
    applyDefaults();
    measure(state);
    const colors = palette();
    return { data: { datasets: datasets(state, colors) }, options: options(state, colors) };
  }

  const chart = new Chart(canvas, { type, plugins, ...content() });

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
      chart.destroy();
    },
  };
}
