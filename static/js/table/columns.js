// The panel of columns: ticks, a search, and their order by dragging or Alt+arrow keys.

import { glyph } from "../charts/tooltip.js";

const SHOWN = "Shown";

// columns: [{key, title, group, detail, shown, sort: its first direction or ""}];
// show(keys) draws the table with these; sorts() are the sorts now, sortBy(first, {add})
// changes them.
export function wireColumns(panel, columns, { show, opener, sorts, sortBy }) {
  const list = panel.querySelector("[data-columns-list]");
  const search = panel.querySelector("[data-columns-search]");
  const heading = panel.querySelector("[data-columns-count]");
  const byKey = new Map(columns.map((column) => [column.key, column]));
  let shown = columns.filter((column) => column.shown).map((column) => column.key);
  let dragged = null;

  function open(on) {
    panel.hidden = !on;
    opener.setAttribute("aria-expanded", String(on));
    (on ? search : opener).focus();
  }

  function draw(focus = null) {
    const text = search.value.trim().toLowerCase();
    const fits = (column) => column.title.toLowerCase().includes(text) || column.key.toLowerCase().includes(text);
    heading.textContent = `Columns, ${shown.length} of ${columns.length}`;
    opener.querySelector("[data-columns-shown]").textContent = shown.length;
    const parts = [group("Shown, drag to reorder", shown.map((key) => byKey.get(key)).filter(fits), true)];
    const rest = columns.filter((column) => !shown.includes(column.key) && fits(column));
    for (const title of new Set(rest.map((column) => column.group).filter((name) => name !== SHOWN))) {
      parts.push(group(title, rest.filter((column) => column.group === title), false));
    }
    const loose = rest.filter((column) => column.group === SHOWN);
    if (loose.length > 0) parts.push(group("More", loose, false));
    list.replaceChildren(...parts.filter((part) => part.children.length > 1));
    if (focus) list.querySelector(focus)?.focus();
  }

  function group(title, items, isShown) {
    const part = document.createElement("fieldset");
    part.className = "columns-group";
    const legend = document.createElement("legend");
    legend.textContent = title;
    part.append(legend, ...items.map((column) => item(column, isShown)));
    return part;
  }

  function item(column, isShown) {
    const row = document.createElement("div");
    row.className = "columns-item";
    row.dataset.key = column.key;
    const label = document.createElement("label");
    const box = document.createElement("input");
    box.type = "checkbox";
    box.className = "tick";
    box.checked = isShown;
    const title = document.createElement("span");
    title.textContent = column.title;
    const detail = document.createElement("em");
    detail.textContent = column.detail;
    label.append(box, title, detail);
    if (isShown) row.append(grip(column));
    row.draggable = isShown;
    row.append(label);
    if (column.sort) row.append(sorter(column));
    return row;
  }

  // The arrow says how the table is sorted by the column, a number in which place.
  function sorter(column) {
    const now = sorts();
    const place = now.findIndex((sort) => sort.replace(/^-/, "") === column.key);
    const button = document.createElement("button");
    button.type = "button";
    button.className = "columns-sort";
    button.dataset.sort = column.sort;
    const arrow = place < 0 ? "↕" : now[place].startsWith("-") ? "↓" : "↑";
    button.textContent = `${arrow}${place >= 0 && now.length > 1 ? place + 1 : ""}`;
    button.setAttribute("aria-pressed", String(place >= 0));
    button.setAttribute("aria-label", `Sort by ${column.title}`);
    button.title = "Shift adds it to the other sorts";
    return button;
  }

  function grip(column) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "columns-grip";
    button.setAttribute("aria-label", `Move ${column.title}: Alt and the arrow keys`);
    button.append(glyph("grip"));
    return button;
  }

  function changed(next, focus) {
    shown = next;
    draw(focus);
    show(shown);
  }

  function moved(key, to) {
    const rest = shown.filter((each) => each !== key);
    rest.splice(Math.max(0, to), 0, key);
    return rest;
  }

  list.addEventListener("change", (event) => {
    const { key } = event.target.closest("[data-key]").dataset;
    const next = event.target.checked ? [...shown, key] : shown.filter((each) => each !== key);
    if (next.length === 0) event.target.checked = true;
    else changed(next, `[data-key="${CSS.escape(key)}"] input`);
  });
  list.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const row = event.target.closest("[data-key]");
    if (!step || !event.altKey || !row?.draggable) return;
    event.preventDefault();
    const { key } = row.dataset;
    changed(moved(key, shown.indexOf(key) + step), `[data-key="${CSS.escape(key)}"] .columns-grip`);
  });
  list.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-sort]");
    if (!button) return;
    const { key } = button.closest("[data-key]").dataset;
    await sortBy(button.dataset.sort, { add: event.shiftKey });
    draw(`[data-key="${CSS.escape(key)}"] .columns-sort`);
  });
  list.addEventListener("dragstart", (event) => {
    dragged = event.target.closest("[data-key]")?.dataset.key ?? null;
    event.dataTransfer.effectAllowed = "move";
    event.target.classList.add("is-dragged");
  });
  list.addEventListener("dragover", (event) => {
    const row = event.target.closest("[data-key]");
    if (!dragged || !row?.draggable) return;
    event.preventDefault();
    for (const each of list.querySelectorAll(".is-target")) each.classList.remove("is-target");
    row.classList.add("is-target");
  });
  list.addEventListener("drop", (event) => {
    const row = event.target.closest("[data-key]");
    if (!dragged || !row?.draggable) return;
    event.preventDefault();
    const key = dragged;
    dragged = null;
    changed(moved(key, shown.indexOf(row.dataset.key)));
  });
  list.addEventListener("dragend", () => {
    dragged = null;
    draw();
  });
  search.addEventListener("input", () => draw());
  opener.addEventListener("click", () => open(panel.hidden));
  panel.querySelector("[data-columns-close]").addEventListener("click", () => open(false));
  panel.addEventListener("keydown", (event) => {
    if (event.key === "Escape") open(false);
    if (event.key === "Enter" && event.target === search) event.preventDefault();
  });
  panel.querySelector("[data-columns-reset]").addEventListener("click", () => {
    shown = columns.filter((column) => column.usual ?? column.shown).map((column) => column.key);
    draw();
    show(null);
  });
  draw();
  return {
    refresh() {
      if (!panel.hidden && !panel.contains(document.activeElement)) draw();
    },
  };
}
