// The table of sweeps and runs on pages that update themselves: its ticks and its filter.

import { showParts } from "../parts.js";
import { wireFilterBox } from "./filter_box.js";
import { joined } from "./view_state.js";

export const ticks = (root) => [...root.querySelectorAll(".cell-tick input")];
const key = (box) => `${box.name} ${box.value}`;

// Ticked rows stay ticked when the table is sent again.
export function showEntries(parts, { root = document, ...more } = {}) {
  const ticked = new Set(ticks(root).filter((box) => box.checked).map(key));
  showParts(parts, { root, ...more });
  for (const box of ticks(root)) box.checked = ticked.has(key(box));
}

// What is typed joins the conditions that are chips; the page opens with all of them.
function wireFilter(place) {
  const { complete, applied, problem } = place.dataset;
  const form = place.querySelector("form");
  const q = form.elements.q.value;
  const ask = async (query) => {
    const answer = await fetch(`${complete}?${new URLSearchParams(query)}`);
    return answer.ok ? answer.json() : null;
  };
  const box = wireFilterBox(form, {
    complete: ask,
    applied: () => applied,
    async apply(_, typed) {
      const answer = await ask({ q: typed, at: 0 });
      if (!answer) return { message: "The site did not answer. Try again.", start: 0, end: 0 };
      if (answer.error) return answer.error;
      const url = new URL(location.href);
      url.searchParams.delete("page");
      url.searchParams.set("q", applied === "" ? typed.trim() : joined(applied, answer.filter));
      url.hash = "entries";
      location.assign(url);
      return null;
    },
  });
  if (problem) {
    box.put(q);
    box.showError(JSON.parse(problem));
  }
}

export function wireEntryFilter(root = document) {
  const place = root.querySelector("[data-entry-filter]");
  if (place) wireFilter(place);
}
