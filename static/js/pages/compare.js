// The compare page: two charts of the same trials, the switch, and finding in the logs.

import { buildTable } from "../charts/data_table.js";
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

// The picked scale is kept in the URL, under the card's name.
function wireScale(card, chart) {
  const select = card.querySelector("[data-scale]");
  const name = `${card.id}.y`;
  const kept = new URLSearchParams(location.search).get(name);
  if ([...select.options].some((option) => option.value === kept)) select.value = kept;
  const set = () => chart.set({ y: select.value || null });
  select.addEventListener("change", () => {
    const url = new URL(location.href);
    url.searchParams.set(name, select.value);
    history.replaceState(history.state, "", url);
    set();
  });
  if (select.value) set();
}

function mount(card) {
  const model = JSON.parse(document.getElementById(card.dataset.model).textContent);
  const chart = drawCompare(card.querySelector("canvas"), model);
  wireTable(card, model);
  wireScale(card, chart);
}

function wireSwitch() {
  for (const box of document.querySelectorAll("[data-go]")) {
    box.addEventListener("change", () => location.assign(box.dataset.go));
  }
}

function wireSubmit() {
  for (const select of document.querySelectorAll("[data-submit]")) {
    select.addEventListener("change", () => select.form.requestSubmit());
  }
}

for (const card of document.querySelectorAll("[data-compare-chart]")) mount(card);
wireSwitch();
wireSubmit();
wireFilter(document.querySelector("[data-log]"));
