// What surrounds the table of trials: chips of the filter, counts, and advice where nothing
// matches.

import { glyph } from "../charts/tooltip.js";
import { count } from "../format.js";
import { withView } from "./view_state.js";

const addressOf = (q) => withView(location.search, { q, rank: "" }) || location.pathname;

// "of 1,284 configurations, 6,420 of 10,000 trials".
export function totalWords({ matching, trials, total: all }, grouped) {
  const rest = trials < all ? `${count(trials)} of ${count(all)} trials` : `${count(trials)} trials`;
  const noun = matching === 1 ? "configuration" : "configurations";
  return grouped ? `of ${count(matching)} ${noun}, ${rest}` : `of ${rest}`;
}

// The chips of the filter; a click removes one.
export function showConditions(row, conditions) {
  row.hidden = conditions.length === 0;
  const clear = document.createElement("a");
  clear.href = addressOf("");
  clear.textContent = "Clear all";
  clear.className = "button button-link";
  row.replaceChildren(...conditions.map(chip), clear);
}

function chip({ text, q_without: without }) {
  const link = document.createElement("a");
  link.className = "chip chip-active";
  link.href = addressOf(without);
  link.setAttribute("aria-label", `Remove the condition ${text}`);
  link.append(text, glyph("close"));
  return link;
}

// Where nothing matches: how many each condition leaves out.
export function showEmpty(place, { matching, empty = [] }) {
  place.hidden = matching > 0;
  if (matching > 0) return;
  const list = document.createElement("ul");
  for (const { text, q_without: without, removes } of empty) {
    const link = document.createElement("a");
    link.href = addressOf(without);
    link.textContent = `Without ${text}`;
    const line = document.createElement("li");
    line.append(link, `: ${removes === 0 ? "still none" : `${count(removes)} more`}`);
    list.append(line);
  }
  const title = document.createElement("p");
  title.textContent = "No trial matches.";
  place.replaceChildren(title, list);
}
