// The pages that compare trials and sweeps: charts, the switch, and finding in the logs.

import { buildTable } from "../charts/data_table.js";
import { mountCharts } from "../charts/mount.js";
import { remember, remembered } from "../charts/picked.js";
import { compareTable, drawCompare } from "./compare_chart.js";
import { wireFilter } from "./log.js";

function wireTable(card, model) {
  const place = card.querySelector("[data-chart-data]");
  const toggle = card.querySelector("[data-chart-table]");
  place.replaceChildren(buildTable(compareTable(model)));
  toggle.addEventListener("click", () => {
    const shown = !place.classList.toggle("visually-hidden");
    toggle.setAttribute("aria-pressed", String(shown));
  });
}

// Picked options are kept in the URL, under the card's name.
function wireOptions(card, chart) {
  for (const select of card.querySelectorAll("[data-option]")) {
    const option = select.dataset.option;
    const kept = remembered(card, option);
    if ([...select.options].some(({ value }) => value === kept)) select.value = kept;
    const set = () => chart.set({ [option]: select.value || null });
    select.addEventListener("change", () => {
      remember(card, option, select.value || null);
      set();
    });
    if (select.value) set();
  }
}

function mount(card) {
  const model = JSON.parse(document.getElementById(card.dataset.model).textContent);
  const chart = drawCompare(card.querySelector("canvas"), model);
  wireTable(card, model);
  wireOptions(card, chart);
}

// The address keeps all else that was chosen.
function wireSwitch() {
  for (const box of document.querySelectorAll("[data-differences]")) {
    box.addEventListener("change", () => {
      const url = new URL(location.href);
      if (box.checked) url.searchParams.delete("all");
      else url.searchParams.set("all", "1");
      location.assign(url);
    });
  }
}

mountCharts();
for (const card of document.querySelectorAll("[data-compare-chart]")) mount(card);
wireSwitch();
const logs = document.querySelector("[data-log]");
if (logs) wireFilter(logs);
