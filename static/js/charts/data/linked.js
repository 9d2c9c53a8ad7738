// What the charts and the table of a page share: the trials' columns, the selection and
// the hovered trial. The selection is an expression, kept in the URL as ?q=.

import { maskOf, maskOfNumbers, readConditions, withCondition, writeConditions } from "./conditions.js";

// What a selection says about the trials it holds. Pure.
export function countsOf(columns, mask) {
  const states = new Map();
  let rows = 0;
  for (let row = 0; row < columns.size; row += 1) {
    if (mask && !mask[row]) continue;
    rows += 1;
    states.set(columns.states[row], (states.get(columns.states[row]) ?? 0) + 1);
  }
  return { rows, states };
}

// parts: columns; q: the expression to begin with; matching(q): a promise of {numbers:
// "0-41,43", count, error}, asked only for what the columns cannot answer; soon(run):
// runs once before the next paint; keep(q, isStep): stores the expression.
export function createLinked({ columns, q = "", matching, soon = requestAnimationFrame, keep = () => {} }) {
  const listeners = new Set();
  const news = new Set();
  const state = {
    columns,
    q,
    conditions: readConditions(q),
    mask: null,
    count: columns.total,
    error: null,
    hovered: null,
    ticked: [],
    waiting: false,
  };
  let asked = 0;
  // The last selection that holds: a wrong filter leaves it.
  let held = { q: "", conditions: [] };

  function tell(kind) {
    if (news.size === 0) {
      soon(() => {
        const kinds = new Set(news);
        news.clear();
        for (const listener of listeners) listener(kinds);
      });
    }
    news.add(kind);
  }

  function shown(mask, count) {
    Object.assign(state, { mask, count, waiting: false });
    held = { q: state.q, conditions: state.conditions };
    tell("selection");
  }

  async function ask(step) {
    const turn = ++asked;
    state.waiting = true;
    tell("selection");
    const answer = await matching(state.q).catch(() => ({ error: { message: "The server did not answer." } }));
    if (turn !== asked) return;
    if (answer.error) {
      Object.assign(state, held, { error: answer.error, waiting: false });
      tell("selection");
      return;
    }
    if (step !== null) keep(state.q, step);
    shown(maskOfNumbers(state.columns, answer.numbers), answer.count);
  }

  // step: as setConditions has it.
  function apply(step) {
    asked += 1;
    const isAll = state.conditions.length === 0;
    const mask = isAll ? null : maskOf(state.columns, state.conditions);
    if (!isAll && !mask) return ask(step);
    if (step !== null) keep(state.q, step);
    shown(mask, isAll ? state.columns.total : countsOf(state.columns, mask).rows);
    // Of a sample the server knows how many there are in all.
    return !isAll && state.columns.sample ? ask(null) : undefined;
  }

  // step: null if the expression came from the URL; others are kept there once they hold.
  function setConditions(conditions, { step = true } = {}) {
    Object.assign(state, { conditions, q: writeConditions(conditions), error: null });
    return apply(step);
  }

  apply(null);
  return {
    get columns() { return state.columns; },
    get q() { return state.q; },
    get conditions() { return state.conditions; },
    get mask() { return state.mask; },
    get count() { return state.count; },
    get error() { return state.error; },
    get waiting() { return state.waiting; },
    get hovered() { return state.hovered; },
    // Rows of ticked trials.
    get ticked() { return state.ticked.map((number) => state.columns.rowOf.get(number)).filter((row) => row !== undefined); },
    isSelected: (row) => state.mask === null || state.mask[row] === 1,
    conditionOn: (field) => state.conditions.find((each) => each.field === field) ?? null,
    setConditions,
    // step: false while a brush is dragged.
    brush(field, condition, options) {
      return setConditions(withCondition(state.conditions, field, condition), options);
    },
    setQuery(text, options) {
      return setConditions(readConditions(text), options);
    },
    hover(number) {
      if (number === state.hovered) return;
      state.hovered = number;
      tell("hover");
    },
    tick(numbers) {
      state.ticked = numbers;
      tell("selection");
    },
    update(next) {
      state.columns = next;
      tell("columns");
      // A wrong filter stays wrong; a site that did not answer may do so now.
      if (state.error?.start === undefined) state.error = null;
      if (state.conditions.length > 0) return apply(null);
      state.count = next.total;
      return undefined;
    },
    // listener(kinds): a Set of "columns", "selection", "hover". Returns a function that ends it.
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

// Keeps an expression in the URL: a step that Back undoes, or in place while it changes.
export function keepInUrl(q, isStep) {
  const url = new URL(location.href);
  if (q) url.searchParams.set("q", q);
  else url.searchParams.delete("q");
  if (url.href === location.href && !isStep) return;
  const dragging = history.state?.brushing === true;
  if (!isStep && !dragging) history.pushState({ ...history.state, brushing: true }, "", url);
  else if (isStep && !dragging) history.pushState(history.state, "", url);
  else history.replaceState(isStep ? { ...history.state, brushing: false } : history.state, "", url);
}
