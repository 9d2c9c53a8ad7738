// Charts on pages whose feed sends new models and cards.

import { chartOf, mountCharts } from "./mount.js";

// Takes down the charts in an element that is about to be replaced.
export function releaseCharts(element) {
  for (const card of element.querySelectorAll("[data-chart]")) chartOf(card)?.destroy();
}

// models: {id of the card: model}. The json_script elements keep them, so that a card
// that was sent anew finds its own.
export function showModels(models) {
  for (const [id, model] of Object.entries(models)) {
    document.getElementById(`${id}-model`).textContent = JSON.stringify(model);
    const chart = chartOf(document.getElementById(id));
    if (chart && model) chart.update(model);
  }
  mountCharts();
}
