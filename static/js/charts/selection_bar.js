// The selection bar: how many trials are selected, by which conditions, how good they
// are, and what can be done with them.

import { count, metric } from "../format.js";
import { ORDER, STATES } from "../states.js";
import { conditionWords } from "./data/axes.js";
import { median } from "./data/columns.js";
import { conditionText, textOf, withCondition } from "./data/conditions.js";
import { countsOf } from "./data/linked.js";
import { element, glyph } from "./tooltip.js";

// The ranges of a new sweep, as the builder's address takes them: of the parameters that
// conditions name. Pure.
export function boundsOf(columns, conditions) {
  const axes = new Map(columns.axes.map((axis) => [axis.name, axis]));
  return conditions.flatMap(({ field, low, high, values }) => {
    const axis = axes.get(field);
    if (!axis) return [];
    if (values) return [`${field}:${JSON.stringify(axis.kind === "choice" ? chosen(axis, values) : values)}`];
    return low === undefined && high === undefined ? [] : [`${field}:${low ?? ""}..${high ?? ""}`];
  });
}

// The values themselves, which may be lists or mappings that a condition has as text.
function chosen(axis, values) {
  const texts = new Set(values.map(textOf));
  return axis.values.filter((value) => texts.has(textOf(value)));
}

// "median 0.928 against 0.843 outside". Pure.
export function medianWords(columns, mask) {
  const { order, value } = columns;
  const inside = median(order.filter((row) => mask[row]).map((row) => value[row]));
  const outside = median(order.filter((row) => !mask[row]).map((row) => value[row]));
  if (!Number.isFinite(inside)) return "none has a value";
  if (!Number.isFinite(outside)) return `median ${metric(inside)}`;
  return `median ${metric(inside)} against ${metric(outside)} outside`;
}

function chip(linked, condition) {
  const button = element("button", "chip", conditionWords(condition), glyph("close"));
  button.type = "button";
  button.setAttribute("aria-label", `Remove ${conditionWords(condition)}`);
  button.addEventListener("click", () => {
    const rest = condition.field === undefined
      ? linked.conditions.filter((each) => each !== condition)
      : withCondition(linked.conditions, condition.field, null);
    linked.setConditions(rest);
  });
  return button;
}

function stateCounts(columns, mask) {
  const { states } = countsOf(columns, mask);
  return ORDER.filter((state) => states.has(state)).map((state) => {
    const words = element("span", `selection-state state-${state}`, glyph(STATES[state].glyph), count(states.get(state)));
    words.append(element("span", "visually-hidden", ` ${STATES[state].word}`));
    return words;
  });
}

// bar: the element of selection_bar.html; page: {clone, trials}, addresses.
export function wireSelectionBar(bar, linked, page) {
  const part = (name) => bar.querySelector(`[data-selection-${name}]`);
  const link = (name) => bar.querySelector(`[data-selection-link="${name}"]`);
  let shown = "";

  function links() {
    const q = encodeURIComponent(linked.q);
    link("table").href = `${page.trials}?q=${q}`;
    link("compare").href = `${page.trials}compare/?q=${q}&all=1`;
    if (link("tag")) link("tag").href = `${page.trials}tag/?q=${q}&all=1`;
    const bounds = boundsOf(linked.columns, linked.conditions);
    const region = bounds.map((text) => `&bounds=${encodeURIComponent(text)}`).join("");
    if (link("region")) link("region").href = region ? `${page.clone}${region}` : `${page.trials}region/?q=${q}&all=1`;
  }

  function chips() {
    const text = linked.conditions.map(conditionText).join("\n");
    if (text === shown) return;
    shown = text;
    part("chips").replaceChildren(...linked.conditions.map((condition) => chip(linked, condition)));
  }

  function show() {
    const { columns, mask, error, waiting } = linked;
    const isEmpty = linked.conditions.length === 0;
    bar.classList.toggle("is-empty", isEmpty);
    part("count").textContent = isEmpty
      ? "Nothing selected: drag on an axis or a plot, or type a filter."
      : `${waiting ? "… " : ""}${count(linked.count)} of ${count(columns.total)} selected`;
    chips();
    links();
    part("error").hidden = error === null;
    part("error").textContent = error ? `${error.message}${isEmpty ? "" : " The last selection stays."}` : "";
    if (isEmpty || mask === null) {
      part("states").replaceChildren();
      part("median").textContent = "";
      return;
    }
    // The count is of all trials, the rest of what the browser has.
    const sample = columns.sample ? "in the sample: " : "";
    part("states").replaceChildren(sample, ...stateCounts(columns, mask));
    part("median").textContent = medianWords(columns, mask);
  }

  part("clear").addEventListener("click", () => linked.setConditions([]));
  linked.subscribe((kinds) => {
    if (kinds.has("selection") || kinds.has("columns")) show();
  });
  show();
}
