// Rows of the search space in the page: add, copy, remove, move, another kind, open on phones.
// A row keeps its number in the formset. Its ORDER and DELETE say the rest, as in Django.

import { paintChips, wireChips } from "./chips.js";
import { offerNames, wireConditions } from "./conditions.js";
import { fieldStates, freeName, movedIndex, numbered } from "./rows.js";

export function wireRows(form, preview) {
  const list = form.querySelector("[data-rows]");
  const kinds = JSON.parse(document.getElementById("kind-table").textContent);
  const all = () => [...list.querySelectorAll(":scope > [data-row]:not([hidden])")];

  const reorder = () => {
    all().forEach((row, index) => {
      row.querySelector("[name$='-ORDER']").value = index + 1;
    });
    preview.ask();
  };
  const open = (row) => {
    for (const other of all()) setOpen(other, other === row);
  };
  const actions = {
    add() {
      const last = all().at(-1);
      begin(last && isBlank(last) ? last : addForm(form, "row", list));
    },
    copy(row) {
      const twin = addForm(form, "row", list);
      row.after(twin);
      copyFields(row, twin);
      const names = all().map((each) => each.querySelector("[name$='-name']").value);
      twin.querySelector("[name$='-name']").value = freeName(row.querySelector("[name$='-name']").value, names);
      paintChips(twin);
      begin(twin);
    },
    remove(row) {
      const rows = all();
      const place = rows.indexOf(row);
      const next = rows[place + 1] ?? rows[place - 1];
      removeForm(row);
      reorder();
      (next?.querySelector("[name$='-name']") ?? form.querySelector("[data-add]")).focus();
    },
    move(row, by) {
      const rows = all();
      const place = movedIndex(rows.indexOf(row), by, rows.length);
      if (place === null) return;
      const focused = row.contains(document.activeElement) ? document.activeElement : row.querySelector("summary");
      rows[place][by > 0 ? "after" : "before"](row);
      reorder();
      focused.focus();
      const name = row.querySelector("[name$='-name']").value || "The parameter";
      form.querySelector("[data-space-status]").textContent = `${name} is now number ${place + 1} of ${rows.length}.`;
    },
  };
  const begin = (row) => {
    reorder();
    showKind(row, kinds);
    offerNames(all());
    open(row);
    row.querySelector("[name$='-name']").focus();
  };

  form.addEventListener("click", (event) => onClick(event, actions, open));
  list.addEventListener("change", (event) => {
    const row = event.target.closest("[data-row]");
    if (event.target.matches("[data-kind]")) showKind(row, kinds);
    if (event.target.name?.endsWith("-off")) row.classList.toggle("is-off", event.target.checked);
  });
  list.addEventListener("keydown", (event) => {
    if (event.key === "Escape") closeMenu(event.target.closest("[data-menu][open]"));
    const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    const isPicking = event.target.matches("select"); // opens its list
    if (!by || !event.altKey || isPicking) return;
    event.preventDefault();
    actions.move(event.target.closest("[data-row]"), by);
  });
  list.addEventListener("input", (event) => mirrorName(event.target));
  wireChips(list);
  wireConditions(list, all, preview);
  wireDrag(list, all, reorder);
  for (const row of all()) showKind(row, kinds);
  return { open };
}

function onClick(event, actions, open) {
  const row = event.target.closest("[data-row]");
  if (event.target.closest("[data-add]")) {
    event.preventDefault();
    actions.add();
  } else if (row && event.target.closest("[data-copy]")) {
    event.preventDefault();
    actions.copy(row);
  } else if (row && event.target.closest("[data-remove]")) {
    event.preventDefault();
    actions.remove(row);
  } else if (row && event.target.closest("[data-move]")) {
    event.preventDefault();
    actions.move(row, Number(event.target.closest("[data-move]").dataset.move));
  } else if (row && event.target.closest("[data-toggle]")) {
    if (row.classList.contains("is-open")) setOpen(row, false);
    else open(row);
  }
  for (const menu of document.querySelectorAll("[data-menu][open]")) {
    if (!menu.contains(event.target) || event.target.closest("button")) menu.open = false;
  }
}

function closeMenu(menu) {
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
}

function setOpen(row, isOpen) {
  row.classList.toggle("is-open", isOpen);
  row.querySelector("[data-toggle]").setAttribute("aria-expanded", String(isOpen));
}

// One more form of a formset, from Django's empty form.
export function addForm(form, prefix, list) {
  const total = form.elements[`${prefix}-TOTAL_FORMS`];
  const template = form.querySelector(`template[data-template="${prefix}"]`);
  list.insertAdjacentHTML("beforeend", numbered(template.innerHTML.trim(), total.value));
  total.value = Number(total.value) + 1;
  return list.lastElementChild;
}

export function removeForm(element) {
  element.querySelector("[name$='-DELETE']").value = "on";
  element.hidden = true;
}

function isBlank(row) {
  return [...row.querySelectorAll("input[name^='row-']:not([type=hidden], [type=checkbox])")].every((input) => !input.value.trim());
}

// Everything but its place and whether it is removed.
function copyFields(row, twin) {
  for (const from of row.querySelectorAll("[name^='row-']")) {
    const field = from.name.replace(/^row-\d+-/, "");
    const to = twin.querySelector(`[name$='-${field}'][name^='row-']`);
    if (!to || ["ORDER", "DELETE"].includes(field)) continue;
    to.value = from.value;
    if (to.value !== from.value && from.matches("select")) to.append(from.selectedOptions[0].cloneNode(true));
    to.value = from.value;
    if (from.type === "checkbox") to.checked = from.checked;
  }
}

function showKind(row, kinds) {
  const select = row.querySelector("[data-kind]");
  const kind = kinds[select.value];
  const fields = [...row.querySelectorAll("[data-row-field]")];
  const texts = Object.fromEntries(fields.map((field) => [field.dataset.rowField, field.querySelector("input").value]));
  const states = fieldStates(Object.keys(texts), kind, texts);
  states.forEach(({ used, label, disabled }, index) => {
    fields[index].hidden = !used;
    fields[index].querySelector("input").disabled = disabled;
    if (label) fields[index].querySelector("[data-row-field-label]").textContent = label;
  });
  row.querySelector("[data-unit-field]").hidden = !kind?.logs;
  row.querySelector("[data-summary-kind]").textContent = select.selectedOptions[0]?.textContent ?? "";
}

function mirrorName(input) {
  if (!input.name?.endsWith("-name")) return;
  const shown = input.closest("[data-row]").querySelector("[data-summary-name]");
  shown.textContent = input.value || "new parameter";
}

function wireDrag(list, all, reorder) {
  let dragged = null;
  const clear = () => {
    for (const row of all()) row.classList.remove("is-target", "is-dragged");
  };
  list.addEventListener("dragstart", (event) => {
    if (!event.target.closest?.("[data-grip]")) return;
    dragged = event.target.closest("[data-row]");
    dragged.classList.add("is-dragged");
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", "");
    event.dataTransfer.setDragImage(dragged, 8, 16);
  });
  list.addEventListener("dragover", (event) => {
    const row = event.target.closest("[data-row]");
    if (!dragged || !row) return;
    event.preventDefault();
    for (const other of all()) other.classList.toggle("is-target", other === row && row !== dragged);
  });
  list.addEventListener("drop", (event) => {
    const row = event.target.closest("[data-row]");
    if (!dragged || !row) return;
    event.preventDefault();
    if (row !== dragged) {
      const rows = all();
      row[rows.indexOf(dragged) < rows.indexOf(row) ? "after" : "before"](dragged);
      reorder();
    }
  });
  list.addEventListener("dragend", () => {
    clear();
    dragged = null;
  });
}
