// The box for a filter: completion at the caret, a live count, and errors that keep the
// old result. What it holds joins the conditions that are chips already.

import { glyph } from "../charts/tooltip.js";
import { count } from "../format.js";
import { tokens } from "./tokens.js";
import { joined } from "./view_state.js";

const WAIT = 120;
const GLYPHS = { tag: "tag", value: "chevron-right", word: "chevron-right", operator: "chevron-right" };

// complete({q, at}) answers as complete.json; apply(q, typed) shows the result and returns
// the error, if any; applied() is the expression of the chips.
export function wireFilterBox(form, { complete, apply, applied }) {
  const input = form.querySelector("input[name=q]");
  const colors = form.querySelector("[data-filter-colors]");
  const list = form.querySelector("[role=listbox]");
  const words = form.querySelector("[data-filter-count]");
  const problem = form.querySelector("[data-filter-error]");
  let items = [];
  let range = { from: 0, to: 0 };
  let on = -1;
  let wrong = null;
  let turn = 0;
  let timer = null;

  // What comes before the typed text in the whole expression.
  function before() {
    const q = applied();
    return q === "" ? "" : `${joined(q, "_").slice(0, -1)}`;
  }

  function paint() {
    colors.replaceChildren(
      ...tokens(input.value, wrong).map(({ text, kind, wrong: marked }) => {
        const part = document.createElement("span");
        part.className = `token-${kind}${marked ? " is-wrong" : ""}`;
        part.textContent = text;
        return part;
      }),
    );
    colors.scrollLeft = input.scrollLeft;
  }

  // ---- errors -------------------------------------------------------------------------

  // What may be typed next would hide the sentence.
  function showError(error) {
    if (error) {
      turn += 1;
      clearTimeout(timer);
      close();
    }
    wrong = error ? shifted(error, before().length) : null;
    problem.hidden = !error;
    problem.querySelector("[data-filter-error-text]").textContent = error?.message ?? "";
    if (error) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
    form.classList.toggle("is-wrong", Boolean(error));
    paint();
  }

  // ---- completion ---------------------------------------------------------------------

  function close() {
    [items, on] = [[], -1];
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  async function look() {
    const now = (turn += 1);
    const start = before();
    const answer = await complete({ q: start + input.value, at: start.length + input.selectionStart });
    if (now !== turn || !answer || document.activeElement !== input) return;
    say(answer);
    range = { from: answer.from - start.length, to: answer.to - start.length };
    items = range.from < 0 ? [] : answer.items;
    if (items.length === 0) close();
    else open();
  }

  function say({ count: found, error }) {
    const text = input.value.trim();
    words.textContent = text === "" || error || found === null || found === undefined ? "" : `${count(found)} match so far`;
  }

  function open() {
    const typed = input.value.slice(range.from, range.to);
    list.replaceChildren(...items.map((item, k) => option(item, k, typed)));
    list.hidden = false;
    list.style.left = `${Math.max(0, Math.min(caretLeft(), form.clientWidth - list.offsetWidth))}px`;
    input.setAttribute("aria-expanded", "true");
    choose(-1);
  }

  function caretLeft() {
    const probe = document.createRange();
    let rest = range.from;
    for (const part of colors.children) {
      const { length } = part.textContent;
      if (rest <= length && part.firstChild) {
        probe.setStart(part.firstChild, Math.min(rest, length));
        return probe.getBoundingClientRect().left - form.getBoundingClientRect().left;
      }
      rest -= length;
    }
    return input.offsetLeft;
  }

  function choose(next) {
    on = next;
    [...list.children].forEach((row, k) => row.setAttribute("aria-selected", String(k === on)));
    if (on < 0) input.removeAttribute("aria-activedescendant");
    else {
      input.setAttribute("aria-activedescendant", list.children[on].id);
      list.children[on].scrollIntoView({ block: "nearest" });
    }
  }

  function insert(item) {
    const [start, end] = [input.value.slice(0, range.from), input.value.slice(range.to)];
    const space = end.startsWith(" ") || item.insert.endsWith(" ") ? "" : " ";
    input.value = `${start}${item.insert}${space}${end}`;
    const at = start.length + item.insert.length + space.length;
    input.setSelectionRange(at, at);
    changed();
  }

  function changed() {
    if (wrong) showError(null);
    paint();
    clearTimeout(timer);
    timer = setTimeout(look, WAIT);
  }

  // ---- applying -----------------------------------------------------------------------

  async function send() {
    turn += 1;
    clearTimeout(timer);
    close();
    const error = await apply(joined(applied(), input.value), input.value);
    if (error) {
      showError(error);
      return;
    }
    input.value = "";
    words.textContent = "";
    showError(null);
  }

  function keys(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && items.length > 0) choose((on + step + items.length) % items.length);
    else if (event.key === "Tab" && items.length > 0 && !event.shiftKey) insert(items[Math.max(0, on)]);
    else if (event.key === "Enter" && on >= 0) insert(items[on]);
    else if (event.key === "Escape" && items.length > 0) close();
    else return;
    event.preventDefault();
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  input.addEventListener("input", changed);
  input.addEventListener("keydown", keys);
  input.addEventListener("scroll", () => { colors.scrollLeft = input.scrollLeft; });
  input.addEventListener("focus", changed);
  input.addEventListener("blur", close);
  list.addEventListener("pointerdown", (event) => {
    event.preventDefault(); // The box keeps the focus.
    const row = event.target.closest("[role=option]");
    if (row) insert(items[[...list.children].indexOf(row)]);
  });
  form.classList.add("has-scripts");
  input.value = ""; // Its conditions are chips.
  return { input, put(text) { input.value = text; input.focus(); changed(); }, showError };
}

function shifted({ message, start, end }, by) {
  return { message, start: start - by, end: end - by };
}

function option(item, k, typed) {
  const row = document.createElement("li");
  row.id = `filter-option-${k}`;
  row.role = "option";
  row.className = "completion-row";
  const name = document.createElement("code");
  const at = typed === "" ? -1 : item.label.toLowerCase().indexOf(typed.toLowerCase());
  if (at < 0) name.textContent = item.label;
  else {
    const strong = document.createElement("strong");
    strong.textContent = item.label.slice(at, at + typed.length);
    name.append(item.label.slice(0, at), strong, item.label.slice(at + typed.length));
  }
  const kind = document.createElement("span");
  kind.className = "label";
  kind.textContent = item.detail || item.kind;
  row.append(glyph(GLYPHS[item.kind] ?? "filter"), name, kind, spread(item));
  return row;
}

// How the rows' values are spread, as bars, or how many rows have the value.
function spread({ bins, count: found }) {
  const place = document.createElement("span");
  if (found !== undefined) {
    place.className = "label num";
    place.textContent = count(found);
  }
  if (!bins) return place;
  place.className = "completion-bins";
  const most = Math.max(...bins);
  place.append(...bins.map((height) => {
    const bar = document.createElement("i");
    bar.style.height = `${Math.round((100 * height) / most)}%`;
    return bar;
  }));
  return place;
}
