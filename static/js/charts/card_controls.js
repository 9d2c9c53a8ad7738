// Controls that charts add to their card's head.

import { element } from "./tooltip.js";

// options: [[value, text], …]. Returns the select.
export function buildSelect(place, label, options, { prefix = "" } = {}) {
  const select = element("select", "input input-small chart-select");
  select.setAttribute("aria-label", label);
  for (const [value, text] of options) select.append(new Option(`${prefix}${text}`, value));
  place.append(select);
  return select;
}

export function button(place, text, label, act) {
  const made = element("button", "button button-small", text);
  made.type = "button";
  made.setAttribute("aria-label", label);
  made.addEventListener("click", act);
  place.append(made);
  return made;
}

// A menu of ticks. now(): {text, items: [{name, on}]}; changed(name, on).
export function buildMenu(place, id, now, changed) {
  const opener = button(place, now().text, "Which axes", () => {});
  opener.removeAttribute("aria-label");
  opener.setAttribute("popovertarget", id);
  const list = element("ul", "menu menu-end menu-ticks");
  list.id = id;
  list.popover = "auto";
  place.append(list);

  function item({ name, on }) {
    const box = element("input", "tick");
    box.type = "checkbox";
    box.checked = on;
    box.addEventListener("change", () => {
      changed(name, box.checked);
      opener.textContent = now().text;
    });
    return element("li", "", element("label", "menu-item", box, name));
  }

  function refresh() {
    opener.textContent = now().text;
    list.replaceChildren(...now().items.map(item));
  }

  list.addEventListener("toggle", (event) => {
    if (event.newState === "open") refresh();
  });
  refresh();
  return {
    refresh,
    remove() {
      opener.remove();
      list.remove();
    },
  };
}
