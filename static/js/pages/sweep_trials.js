// The Trials tab of a sweep: filter, columns, sorts, groups, virtual rows, ticks. What is
// shown is in the address; the ticks last as long as the tab.

import { count } from "../format.js";
import { showParts } from "../parts.js";
import { startLive } from "../poll.js";
import { wireColumns } from "../table/columns.js";
import { showConditions, showEmpty, totalWords } from "../table/conditions.js";
import { wireFilterBox } from "../table/filter_box.js";
import { wireKeys } from "../table/keys.js";
import { wireRail } from "../table/rail.js";
import { BLOCK } from "../table/layout.js";
import { createRows } from "../table/rows.js";
import { wireSelectionBar } from "../table/selection_bar.js";
import { numbersIn, rangesOf, ticksOf } from "../table/ticks.js";
import { readView, rowsQuery, toggledSort, withView } from "../table/view_state.js";

const root = document.querySelector("[data-trials]");
const part = (name) => root.querySelector(`[data-${name}]`);
const ticks = ticksOf(root.dataset.trials);
const scroller = part("rows-scroll");
let shownSearch = null; // of the rows that are in the table
let total = 0;
let panel = null; // of the columns

// ---- asking the server ----------------------------------------------------------------

async function json(url) {
  try {
    const answer = await fetch(url, { headers: { Accept: "application/json" }, credentials: "same-origin" });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

function address(name, search, more = {}) {
  const query = new URLSearchParams(rowsQuery(search));
  for (const [key, value] of Object.entries(more)) query.set(key, value);
  return `${root.dataset[name]}?${query}`;
}

const ask = (more) => json(address("rows", shownSearch ?? location.search, more));

// ---- the view -------------------------------------------------------------------------

// Shows what the search asks for; returns the error of its filter, if any: then all stays.
async function load(search, { push = true, top = null } = {}) {
  const rank = top ?? 1;
  const from = Math.max(0, Math.floor((rank - 1) / BLOCK) * BLOCK);
  scroller.setAttribute("aria-busy", "true");
  const answer = await json(address("rows", search, { from, count: BLOCK, rail: 1 }));
  scroller.removeAttribute("aria-busy");
  if (answer === null) return { message: "The site did not answer. Try again.", start: 0, end: 0 };
  if (answer.error) return answer.error;
  shownSearch = search;
  if (push && search !== location.search) history.pushState(null, "", search || location.pathname);
  show(answer);
  rows.start(answer, { index: rank - 1 });
  return null;
}

const drawn = new Map();

// What looks the same stays as it is, with the focus in it.
function whenNew(name, value, draw) {
  const text = JSON.stringify(value);
  if (value === undefined || drawn.get(name) === text) return;
  drawn.set(name, text);
  draw(value);
}

function show(answer) {
  total = answer.matching;
  const search = shownSearch ?? location.search;
  const { group, q } = readView(search);
  whenNew("heads", answer.heads, (heads) => {
    showParts({ heads }, { root });
    panel?.refresh();
  });
  whenNew("chips", answer.chips, (chips) => showParts({ chips }, { root }));
  showTickAll();
  whenNew("conditions", answer.conditions, (conditions) => showConditions(part("conditions"), conditions));
  if (answer.empty !== undefined || answer.matching > 0) {
    whenNew("empty", { matching: answer.matching, empty: answer.empty }, (empty) => showEmpty(part("empty"), empty));
  }
  if (answer.rail !== undefined) {
    rail.draw(answer.rail, answer.matching);
    showTicksOnRail();
  }
  part("total").textContent = totalWords(answer, group !== "");
  scroller.querySelector("table").setAttribute("aria-rowcount", String(answer.matching + 1));
  const hidden = part("hidden-count");
  hidden.hidden = !answer.hidden;
  hidden.firstElementChild.textContent = `${count(answer.hidden ?? 0)} archived`;
  part("group").value = group;
  for (const button of root.querySelectorAll("[data-restore]")) button.hidden = !/\barchived\b/i.test(q);
  for (const link of root.querySelectorAll("a[data-export]")) link.search = rowsQuery(search);
}

// Ticks all trials that match, not only those in sight.
function showTickAll() {
  const head = scroller.querySelector("th.tick-cell");
  if (!head || head.querySelector("[data-tick-all]")) return;
  const box = document.createElement("input");
  Object.assign(box, { type: "checkbox", className: "tick", ariaLabel: "Tick all that match" });
  box.dataset.tickAll = "";
  head.replaceChildren(box);
}

// ---- rows -----------------------------------------------------------------------------

function decorate(row) {
  row.tabIndex = -1;
  const box = row.querySelector("input.tick");
  const numbers = numbersOf(row);
  if (!box || numbers.length === 0) return;
  const on = numbers.filter((number) => ticks.has(number)).length;
  box.checked = on === numbers.length;
  box.indeterminate = on > 0 && on < numbers.length;
  row.classList.toggle("is-marked", on > 0);
}

// The box of a group has the numbers of all its trials.
const numbersOf = (row) => numbersIn(row.querySelector("input.tick")?.value ?? "");

const rows = createRows({ scroller, body: part("rows-body"), pinned: part("pinned"), ask, decorate, onDrawn });

let remembered = null;

function onDrawn(seen) {
  const words = seen.last === 0 ? "" : `${count(seen.first)} to ${count(seen.last)}`;
  part("position").textContent = words;
  rail.move(seen);
  clearTimeout(remembered);
  remembered = setTimeout(() => {
    remember(seen.first);
    bar.show();
  }, 200);
}

function remember(first) {
  if (shownSearch === null) return;
  shownSearch = withView(shownSearch, { rank: first > 1 ? first : "" });
  const now = withView(location.search, { rank: first > 1 ? first : "" });
  if (now !== location.search) history.replaceState(history.state, "", now || location.pathname);
}

function tickRow(row, on) {
  ticks.setAll(numbersOf(row), on);
}

let lastTicked = null;

function tickRange(row, on) {
  const all = rows.drawnRows().filter((each) => !each.closest("[data-pinned]"));
  const [a, b] = [all.indexOf(lastTicked ?? row), all.indexOf(row)].sort((x, y) => x - y);
  ticks.setAll(all.slice(Math.max(0, a), b + 1).flatMap(numbersOf), on);
}

function ticked(box, { range = false } = {}) {
  const row = box.closest("tr");
  if (range) tickRange(row, box.checked);
  else tickRow(row, box.checked);
  lastTicked = row;
}

let shift = false;
scroller.addEventListener("click", (event) => {
  shift = event.shiftKey;
  const toggle = event.target.closest(".group-toggle");
  const sort = event.target.closest("a.sort");
  if (toggle) {
    event.preventDefault();
    const row = toggle.closest("tr");
    const found = rows.groupOf(row);
    if (found) rows.toggle(found.key, found.index);
  } else if (sort && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    const first = (new URL(sort.href).searchParams.get("sort") ?? "").split(",")[0];
    const next = toggledSort(readView(location.search).sort, first, { add: event.shiftKey });
    load(withView(location.search, { sort: next, rank: "" }));
  }
});
scroller.addEventListener("change", (event) => {
  if (event.target.matches("input.tick[data-tick-all]")) tickAllMatching(event.target.checked);
  else if (event.target.matches("input.tick")) ticked(event.target, { range: shift });
  shift = false;
});

async function tickAllMatching(on = true) {
  if (!on) {
    ticks.clear();
    return;
  }
  const { q } = readView(location.search);
  const answer = await json(`${root.dataset.matching}?${new URLSearchParams({ q })}`);
  if (answer?.numbers !== undefined) ticks.replace(numbersIn(answer.numbers));
}

// ---- parts around the table -----------------------------------------------------------

const rail = wireRail(part("rail"), { jump: (share) => rows.scrollTo(Math.min(total - 1, Math.floor(share * total))) });
const bar = wireSelectionBar(part("selection"), ticks, { shown: () => rows.drawnRows().flatMap(numbersOf), done: () => refresh({ whole: true }) });

// Where the ticked rows are along the sort.
let asked = 0;
function showTicksOnRail() {
  clearTimeout(asked);
  asked = setTimeout(async () => {
    const numbers = ticks.numbers();
    const answer = numbers.length > 0 ? await json(address("find", location.search, { find: `trials:${rangesOf(numbers)}` })) : null;
    rail.tick(answer?.indexes ?? []);
  }, 250);
}

ticks.onChange(() => {
  showTicksOnRail();
  const all = scroller.querySelector("[data-tick-all]");
  if (all) {
    all.checked = total > 0 && ticks.size >= total;
    all.indeterminate = ticks.size > 0 && !all.checked;
  }
  for (const row of rows.drawnRows()) decorate(row);
});

const filter = wireFilterBox(part("filter"), {
  complete: (query) => json(`${root.dataset.complete}?${new URLSearchParams(query)}`),
  applied: () => readView(location.search).q,
  apply: (q) => load(withView(location.search, { q, rank: "" })),
});

panel = wireColumns(part("columns"), JSON.parse(document.getElementById("trial-columns").textContent), {
  opener: part("columns-open"),
  sorts: () => readView(location.search).sort,
  sortBy: (first, how) => load(withView(location.search, { sort: toggledSort(readView(location.search).sort, first, how), rank: "" })),
  show: (cols) => load(withView(location.search, { cols: cols ?? "" }), { top: readView(location.search).rank }),
});

part("group").addEventListener("change", (event) => load(withView(location.search, { group: event.target.value, rank: "" })));

part("goto").addEventListener("submit", async (event) => {
  event.preventDefault();
  const data = new FormData(event.target);
  const answer = await json(address("find", location.search, { find: `${data.get("by")}:${data.get("what")}` }));
  const words = part("goto-said");
  words.textContent = answer?.error?.message ?? (answer ? "" : "The site did not answer.");
  if (answer?.index !== undefined) {
    rows.scrollTo(answer.index);
    rows.draw();
  }
});

// Links within the tab change the view without a new page.
root.addEventListener("click", (event) => {
  const link = event.target.closest(":is([data-conditions], [data-empty], [data-hidden-count], [data-part=chips]) a");
  if (!link || event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const url = new URL(link.href);
  if (url.pathname !== location.pathname) return;
  event.preventDefault();
  const { q, group, sort } = readView(url.search);
  const state = link.closest("[data-part=chips]") ? url.search : withView(location.search, { q, group, sort, rank: "" });
  load(state);
});

part("selection").addEventListener("click", (event) => {
  if (event.target.closest("[data-tick-matching]")) tickAllMatching();
});
addEventListener("popstate", () => load(location.search, { push: false, top: readView(location.search).rank }));

wireKeys(root, { rows, tick: tickRow, range: tickRange, filter: filter.input, goTo: part("goto").querySelector("[name=what]") });

// ---- live -----------------------------------------------------------------------------

async function refresh(how) {
  const answer = await rows.refresh(how);
  if (answer) show(answer);
}

function showNews(news) {
  if (!news.changed) return;
  // The head comes only when it is another one.
  if (news.parts.head !== undefined) showParts({ head: news.parts.head }, {});
  for (const element of document.querySelectorAll("[data-trial-count]")) element.textContent = count(Object.values(news.counts).reduce((sum, each) => sum + each, 0));
  refresh();
}

// The first rows are in the page already.
function firstAnswer() {
  const [matching, trials, all, hidden, pinned] = root.dataset.counts.split(",").map(Number);
  const best = rowIn(part("pinned").rows[0]);
  const first = [...part("rows-body").rows].map(rowIn);
  return { matching, trials, total: all, hidden, best, from: 0, rows: pinned === 1 ? [best, ...first] : first };
}

function rowIn(row) {
  if (!row) return null;
  const { row: id, number, group } = row.dataset;
  return { id: Number(id), n: Number(number), key: group, html: row.outerHTML };
}

async function begin() {
  root.classList.add("is-live");
  const { rank, q } = readView(location.search);
  if (rank === null && "whole" in root.dataset) {
    shownSearch = location.search;
    const answer = firstAnswer();
    rows.start(answer);
    show(answer);
    const more = await ask({ from: 0, count: 1, rail: 1 });
    if (more?.rail && shownSearch === location.search) {
      rail.draw(more.rail, more.matching);
      showTicksOnRail();
      rows.draw();
    }
  } else {
    const error = await load(location.search, { push: false, top: rank });
    if (error) {
      filter.put(q);
      filter.showError(error);
    }
  }
  if ("livePage" in root.dataset) startLive(root.dataset.feed, showNews, { since: root.dataset.since });
}

begin();
