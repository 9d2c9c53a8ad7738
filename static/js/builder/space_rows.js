// Rows of the search space in the page: add, remove, move, another kind, open on phones.
// A row keeps its number in the formset. Its ORDER and DELETE say the rest, as in Django.

import { fieldStates, movedIndex, numbered } from "./rows.js";

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
      const row = addForm(form, "row", list);
      reorder();
      showKind(row, kinds);
      open(row);
      row.querySelector("[name$='-name']").focus();
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
      rows[place][by > 0 ? "after" : "before"](row);
      reorder();
      row.querySelector("summary").focus();
    },
  };

  form.addEventListener("click", (event) => onClick(event, actions, open));
  list.addEventListener("change", (event) => {
    if (event.target.matches("[data-kind]")) showKind(event.target.closest("[data-row]"), kinds);
  });
  list.addEventListener("input", (event) => mirrorName(event.target));
  wireDrag(list, all, reorder);
  for (const row of all()) showKind(row, kinds);
  return { open };
}

function onClick(event, actions, open) {
  const row = event.target.closest("[data-row]");
  if (event.target.closest("[data-add]")) {
    event.preventDefault();
    actions.add();
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
    if (!menu.contains(event.target) || event.target.closest("[data-move]")) menu.open = false;
  }
}

function setOpen(row, isOpen) {
  row.classList.toggle("is-open", isOpen);
  row.querySelector("[data-toggle]").setAttribute("aria-expanded", String(isOpen));
}

// One more form of a formset, from Django's empty form.
function addForm(form, prefix, list) {
  const total = form.elements[`${prefix}-TOTAL_FORMS`];
  const template = form.querySelector(`template[data-template="${prefix}"]`);
  list.insertAdjacentHTML("beforeend", numbered(template.innerHTML.trim(), total.value));
  total.value = Number(total.value) + 1;
  return list.lastElementChild;
}

function removeForm(element) {
  element.querySelector("[name$='-DELETE']").value = "on";
  element.hidden = true;
}

export function wireConstraints(form, preview) {
  const list = form.querySelector("[data-constraints]");
  form.addEventListener("click", (event) => {
    const rule = event.target.closest("[data-constraint]");
    if (event.target.closest("[data-add-constraint]")) {
      event.preventDefault();
      addForm(form, "constraint", list).querySelector("input:not([type=hidden])").focus();
    } else if (rule && event.target.closest("[data-remove-constraint]")) {
      event.preventDefault();
      removeForm(rule);
      preview.ask();
    }
  });
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
