// Values of a list as chips, while their field is not edited. The text stays the field's.

import { splitValues } from "./rows.js";

export function paintChips(root) {
  for (const place of root.querySelectorAll("[data-chips]")) {
    const input = place.parentElement.querySelector("input");
    const values = splitValues(input.value) ?? [];
    place.replaceChildren(...values.map(chip), ...(values.length ? [document.createTextNode("add")] : []));
    place.classList.toggle("is-empty", values.length === 0);
  }
}

function chip(text) {
  const shown = document.createElement("span");
  shown.className = "row-chip";
  const remove = document.createElement("button");
  Object.assign(remove, { type: "button", tabIndex: -1, textContent: "×", title: `Remove ${text}` });
  remove.dataset.removeValue = "";
  shown.append(text, remove);
  return shown;
}

export function wireChips(list) {
  list.addEventListener("click", (event) => {
    const button = event.target.closest("[data-remove-value]");
    if (!button) return;
    event.preventDefault();
    const place = button.closest("[data-chips]");
    const input = place.parentElement.querySelector("input");
    const gone = [...place.querySelectorAll("[data-remove-value]")].indexOf(button);
    input.value = splitValues(input.value).filter((_, index) => index !== gone).join(", ");
    input.dispatchEvent(new Event("change", { bubbles: true }));
  });
  list.addEventListener("change", (event) => {
    if (event.target.parentElement?.querySelector("[data-chips]")) paintChips(event.target.parentElement);
  });
  paintChips(list);
}
