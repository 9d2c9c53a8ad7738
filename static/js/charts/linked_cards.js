// Brings the cards of linked charts (templates/experiments/charts/card.html) to life.
//
// A kind of chart is made by make(card, page), where card has {canvas, place, note,
// controls, select(name)} and page {linked, feeds, picked, spreadNow(), shares (a Map or
// null), answers, openTrial(id)}. It returns {redraw(), table(), words(), destroy()}, all
// but redraw optional, or a sentence that says why there is nothing to draw.

import { wireCardMenu } from "./card_menu.js";
import { buildTable } from "./data_table.js";
import { KINDS } from "./linked_kinds.js";

// Kinds that need nothing but the columns.
const LOCAL = new Set(["best", "parallel", "slices", "duration"]);
const TABLE_MS = 300;
const HIDDEN_MS = 5000;
// Of a live page: few people read it.
const HIDDEN_AGAIN_MS = 60_000;

// Selects of the card keep their value in the URL as ?card.name=.
function wireSelects(card, picked, changed) {
  for (const select of card.querySelectorAll("[data-linked-select]")) {
    const key = `${card.id}.${select.dataset.linkedSelect}`;
    const kept = picked.get(key);
    if ([...select.options].some(({ value }) => value === kept)) select.value = kept;
    select.hidden = false;
    select.addEventListener("change", () => {
      picked.set(key, select.selectedIndex === 0 ? null : select.value);
      changed();
    });
  }
}

function tableOf(made) {
  const table = made.table?.();
  if (!table) return null;
  const more = table.total > table.rows.length ? ` The first ${table.rows.length} of ${table.total}.` : "";
  return buildTable({ ...table, caption: `${table.caption}.${more}` });
}

function wireCard(card, page) {
  const wait = card.querySelector("[data-wait]");
  const place = card.querySelector("[data-place]");
  const note = card.querySelector("[data-note]");
  let made = null;
  let drawing = null;
  let timer = null;
  let tableAt = -Infinity;

  const parts = {
    element: card,
    place,
    canvas: place.querySelector("canvas"),
    note,
    controls: card.querySelector("[data-controls]"),
    valueOf: (name) => card.querySelector(`[data-linked-select="${name}"]`)?.value ?? "",
  };

  // A table that only screen readers get is made when nothing else is to be done.
  function refreshTable() {
    clearTimeout(timer);
    const data = card.querySelector("[data-chart-data]");
    const isHidden = data.classList.contains("visually-hidden");
    const rest = Math.max(HIDDEN_MS, tableAt + HIDDEN_AGAIN_MS - performance.now());
    timer = setTimeout(() => {
      const table = made && tableOf(made);
      if (table) {
        data.replaceChildren(table);
        tableAt = performance.now();
      }
    }, isHidden ? rest : TABLE_MS);
  }

  function refreshWords() {
    if (made?.words) note.textContent = made.words();
    refreshTable();
  }

  function shown(result) {
    const isDrawn = typeof result !== "string";
    made = isDrawn ? result : null;
    wait.hidden = isDrawn;
    card.classList.toggle("is-waiting", !isDrawn);
    if (!isDrawn) wait.textContent = result;
    refreshWords();
  }

  // Never twice at once: a canvas holds one chart.
  function draw() {
    drawing ??= drawNow().finally(() => { drawing = null; });
    return drawing;
  }

  async function drawNow() {
    if (made) {
      made.destroy?.();
      made = null;
    }
    try {
      // A canvas that is not shown has no size.
      card.classList.remove("is-waiting");
      shown(await KINDS[card.dataset.linked](parts, page));
    } catch (problem) {
      console.error(problem);
      shown("This chart could not be drawn. Reload the page to try again.");
    }
  }

  wireCardMenu(card, () => place.querySelector("canvas"));
  wireSelects(card, page.picked, () => {
    made?.redraw();
    refreshWords();
  });
  page.linked.subscribe((kinds) => {
    // With the first value there is something to draw.
    const isFirst = kinds.has("columns") && !made && !drawing && LOCAL.has(card.dataset.linked);
    if (isFirst && page.linked.columns.drawn.length > 0) draw();
    else if (kinds.has("selection") || kinds.has("columns")) refreshWords();
  });
  return {
    kind: card.dataset.linked,
    draw,
    redraw() {
      made?.redraw();
      refreshWords();
    },
    // With new answers of the server: a chart that waited is drawn now.
    renew() {
      if (!made) return draw();
      made.renew?.();
      return refreshWords();
    },
    setShares: () => made?.setShares?.(page.shares),
  };
}

// Wires every linked card below root; the returned cards are drawn by draw().
export function linkedCards(root, page) {
  return [...root.querySelectorAll("[data-linked]")].map((card) => wireCard(card, page));
}
