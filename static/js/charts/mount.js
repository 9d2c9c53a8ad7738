// Brings chart cards (templates/components/chart_card.html) to life.
//
// The card names its kind in data-chart and in data-model the json_script element that
// holds its model. Its chips filter states, its selects set options of the same name,
// its ⋯ menu shows the data as a table or saves a picture.

import { wireCardMenu } from "./card_menu.js";
import { curvesTable, drawCurves } from "./curves.js";
import { buildTable } from "./data_table.js";
import { drawLines, linesTable } from "./lines.js";
import { hiddenStates, remember, remembered } from "./picked.js";
import { drawShares, sharesTable } from "./shares.js";
import { drawThreshold, thresholdTable } from "./threshold.js";
import { countStates } from "../states.js";

const KINDS = {
  curves: [drawCurves, curvesTable],
  threshold: [drawThreshold, thresholdTable],
  lines: [drawLines, linesTable],
  shares: [drawShares, sharesTable],
};

const mounted = new WeakMap();

function readModel(card) {
  const source = document.getElementById(card.dataset.model);
  if (!source) throw new Error(`Chart ${card.id}: there is no element "${card.dataset.model}".`);
  return JSON.parse(source.textContent);
}

function wireSelects(card, handle) {
  for (const select of card.querySelectorAll("[data-chart-select]")) {
    const name = select.dataset.chartSelect;
    const kept = remembered(card, name);
    if ([...select.options].some((option) => option.value === kept)) select.value = kept;
    select.hidden = false;
    handle.set({ [name]: select.value });
    select.addEventListener("change", () => {
      handle.set({ [name]: select.value });
      remember(card, name, select.value);
    });
  }
}

const stateOf = (chip) => chip.dataset.stateFilter;
const isOff = (chip) => chip.getAttribute("aria-pressed") === "false";

function wireChips(card, handle) {
  const chips = [...card.querySelectorAll("[data-state-filter]")];
  const hide = () => handle.set({ hidden: new Set(chips.filter(isOff).map(stateOf)) });
  const off = new Set(hiddenStates(remembered(card, "states"), chips.map(stateOf)));
  for (const chip of chips) {
    if (off.has(stateOf(chip))) chip.setAttribute("aria-pressed", "false");
    chip.addEventListener("click", () => {
      chip.setAttribute("aria-pressed", String(isOff(chip)));
      const shown = chips.filter((other) => !isOff(other)).map(stateOf);
      remember(card, "states", shown.length < chips.length ? shown.join(",") : null);
      hide();
    });
  }
  if (off.size > 0) hide();
}

// A state that no trial is in needs no chip; it may come later.
function countChips(card, model) {
  const counts = countStates(model.trials ?? []);
  for (const chip of card.querySelectorAll("[data-state-filter]")) {
    const count = counts[stateOf(chip)] ?? 0;
    chip.hidden = count === 0;
    chip.querySelector("[data-count]").textContent = String(count);
  }
}

function refresh(card, table, model) {
  card.querySelector("[data-chart-data]")?.replaceChildren(buildTable(table(model)));
  countChips(card, model);
}

function mount(card) {
  const [draw, table] = KINDS[card.dataset.chart];
  const canvas = card.querySelector(".chart-box canvas");
  const model = readModel(card);
  const handle = draw(canvas, model);
  const update = (next) => {
    handle.update(next);
    refresh(card, table, next);
  };
  wireSelects(card, handle);
  wireChips(card, handle);
  wireCardMenu(card, () => canvas);
  refresh(card, table, model);
  return { ...handle, update };
}

// Mounts every chart card below root. Already mounted ones stay as they are.
export function mountCharts(root = document) {
  for (const card of root.querySelectorAll("[data-chart]")) {
    if (!mounted.has(card)) mounted.set(card, mount(card));
  }
}

// The handle of a card, {chart, update(model), set(options), destroy()}, or undefined.
export function chartOf(card) {
  return mounted.get(card);
}
