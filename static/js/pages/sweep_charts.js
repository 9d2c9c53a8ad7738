// The linked charts of a sweep's overview: drawn from the model of the first paint, then
// from the columns of all trials. What is selected in them filters the table.

import { columnsOfModel } from "../charts/data/columns.js";
import { openLinkedPage } from "../charts/linked_page.js";
import { wireSelectionBar } from "../charts/selection_bar.js";
import { showRows } from "./sweep_table.js";

const WAIT_MS = 250;
// Hundreds of curves are styled anew once a brush rests.
const SETTLED_MS = 60;

// The table's rows while something is selected: the best of what matches, from the
// server; without a selection those that the page's feed has sent last.
function filteredTable(root, linked) {
  const body = root.querySelector("[data-rows]");
  if (!body) return { isFiltered: () => false, keep() {} };
  const kept = { order: [], rows: {} };
  let timer = null;
  let shown = "";

  function keep(order, rows) {
    kept.order = order;
    Object.assign(kept.rows, rows);
  }

  async function fetchRows() {
    const { q } = linked;
    shown = q;
    if (q === "") {
      showRows(body, kept.order, kept.rows);
      return;
    }
    const query = new URLSearchParams({ q, from: "0", count: String(Math.max(10, kept.order.length)), sort: "-value" });
    const answer = await fetch(`${root.dataset.base}rows.json?${query}`, { credentials: "same-origin" });
    if (!answer.ok) return;
    const { rows, best } = await answer.json();
    if (!rows || linked.q !== q) return;
    const all = [...(best ? [best] : []), ...rows.filter(({ id }) => id !== best?.id)];
    showRows(body, all.map(({ id }) => id), Object.fromEntries(all.map(({ id, html }) => [id, html])));
  }

  keep(
    [...body.children].map((row) => row.dataset.row),
    Object.fromEntries([...body.children].map((row) => [row.dataset.row, row.outerHTML])),
  );
  linked.subscribe((kinds) => {
    if (!kinds.has("selection") || linked.error || linked.q === shown) return;
    clearTimeout(timer);
    timer = setTimeout(fetchRows, WAIT_MS);
  });
  return { isFiltered: () => shown !== "" || linked.q !== "", keep };
}

// A hovered row is hovered in the charts, and the other way round.
function linkedRows(root, linked) {
  const body = root.querySelector("[data-rows]");
  if (!body) return;
  const numberOf = (id) => linked.columns.number[linked.columns.id.indexOf(Number(id))];
  body.addEventListener("pointerover", (event) => {
    const row = event.target.closest("tr[data-row]");
    if (row) linked.hover(numberOf(row.dataset.row) ?? null);
  });
  body.addEventListener("pointerleave", () => linked.hover(null));
  linked.subscribe((kinds) => {
    if (!kinds.has("hover")) return;
    const row = linked.columns.rowOf.get(linked.hovered);
    const id = row === undefined ? null : String(linked.columns.id[row]);
    for (const each of body.children) each.classList.toggle("is-linked", each.dataset.row === id);
  });
}

// curves: the handle of the learning curves, or undefined. Returns {freshen(),
// holdsRows(order, rows): keeps the feed's rows, true while others are shown}.
export function openOverview(root, model, curves) {
  const opened = openLinkedPage(root, { base: root.dataset.base, columns: columnsOfModel(model), sweep: root.dataset.sweep });
  let table = null;
  let timer = null;

  async function start() {
    const page = await opened;
    wireSelectionBar(root.querySelector("[data-selection-bar]"), page.linked, root.dataset);
    curves?.set({ linked: page.linked });
    page.linked.subscribe((kinds) => {
      if (kinds.has("selection")) {
        clearTimeout(timer);
        timer = setTimeout(() => curves?.set({}), SETTLED_MS);
      }
      if (kinds.has("hover")) curves?.chart.draw();
    });
    table = filteredTable(root, page.linked);
    linkedRows(root, page.linked);
    await page.drawn;
    root.dataset.drawn = "yes";
    return page;
  }

  const started = start();
  const freshen = async () => (await started).freshen();
  freshen();
  return {
    freshen,
    holdsRows(order, rows) {
      table?.keep(order, rows);
      return table?.isFiltered() ?? false;
    },
  };
}
