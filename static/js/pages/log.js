// The log of a trial or run. What the reader chose is in the URL; the server finds and
// renders, so a search covers the whole log and works without scripts too.

import { showPart } from "../parts.js";

const LINE = 18;
const TYPING = 250;
const FIELDS = ["find", "stream", "times", "wrap"];
const PLACES = ["match", "line", "back"];

// Whether a text has the words as they are, in any case; a number does not find a longer
// one. Pure.
export function matches(text, question) {
  const words = question.trim();
  if (!words) return true;
  const before = /^\d/.test(words) ? "(?<!\\d)" : "";
  const after = /\d$/.test(words) ? "(?!\\d)" : "";
  const escaped = words.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(before + escaped + after, "i").test(text);
}

// The page's query with what is in the form, a Map of name to text. The place in the log
// is kept only if the form says the same as before. Pure.
export function chosen(search, form) {
  const query = new URLSearchParams(search);
  const searched = ["find", "stream"].some((name) => (query.get(name) ?? "") !== (form.get(name) ?? ""));
  for (const name of searched ? PLACES : []) query.delete(name);
  for (const name of FIELDS) {
    if (form.get(name)) query.set(name, form.get(name));
    else query.delete(name);
  }
  return query.toString();
}

// How far to scroll to the end so that the first line in sight is whole. Pure.
export function endOf({ scrollHeight, clientHeight }) {
  return Math.max(0, Math.floor((scrollHeight - clientHeight) / LINE) * LINE);
}

function isAtEnd(box) {
  return box.scrollTop >= endOf(box) - 1;
}

function keep(query) {
  const url = new URL(location.href);
  url.search = query;
  history.replaceState(history.state, "", url);
}

// Filters the lines of a page that shows the ends of several logs.
export function wireFilter(root) {
  const find = root.querySelector("[data-log-find]");
  const filter = () => {
    for (const line of root.querySelectorAll(".log-line")) line.hidden = !matches(line.textContent, find.value);
  };
  find.value = new URLSearchParams(location.search).get("find") ?? "";
  find.addEventListener("input", () => {
    keep(chosen(location.search, new Map([["find", find.value]])));
    filter();
  });
  filter();
}

// root: the card of experiments/log/card.html. Returns {update(html)} for live lines.
export function wireLog(root) {
  const part = root.querySelector("[data-part]");
  const form = root.querySelector("[data-log-form]");
  const more = root.querySelector("[data-log-new]");
  const box = () => part.querySelector("[data-log-box]");
  let asked = 0;
  let timer = null;
  let held = null;

  function hold(html) {
    held = html;
    more.hidden = html === null;
  }

  function show(html, { toPlace = true } = {}) {
    const { scrollTop, scrollLeft } = box();
    const focused = box() === document.activeElement;
    hold(null);
    showPart(part, html);
    if (focused) box().focus({ preventScroll: true });
    if (toPlace) goToPlace();
    else box().scrollTo(scrollLeft, scrollTop);
    box().addEventListener("scroll", release, { passive: true });
  }

  function goToPlace() {
    const line = part.querySelector("[data-log-picked]");
    if (line) box().scrollTop = Math.floor((line.offsetTop - box().clientHeight / 3) / LINE) * LINE;
    else if (box().dataset.logEnd !== undefined) box().scrollTop = endOf(box());
  }

  // A reader who is back at the end sees what came meanwhile.
  function release() {
    if (held !== null && isAtEnd(box())) show(held);
  }

  async function ask(query) {
    keep(query);
    const mine = (asked += 1);
    const answer = await fetch(`${root.dataset.log}?${query}`, { credentials: "same-origin" });
    if (!answer.ok || answer.redirected || mine !== asked) return;
    show(await answer.text());
    pickMatch();
  }

  // Without a number the last match is meant; new lines must not move it.
  function pickMatch() {
    const { match } = part.querySelector("[data-log-status]").dataset;
    const query = new URLSearchParams(location.search);
    if (match === "0") query.delete("match");
    else query.set("match", match);
    keep(query.toString());
  }

  const choose = () => ask(chosen(location.search, new Map(new FormData(form))));

  function wrapLines() {
    part.classList.toggle("is-wrapped", form.elements.wrap.checked);
    keep(chosen(location.search, new Map(new FormData(form))));
    goToPlace();
  }

  function step(back) {
    part.querySelector(`[data-log-go][rel="${back ? "prev" : "next"}"]`)?.click();
  }

  form.addEventListener("input", ({ target }) => {
    clearTimeout(timer);
    if (target.name === "wrap") wrapLines();
    else timer = setTimeout(choose, target.name === "find" ? TYPING : 0);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(timer);
    choose();
  });
  form.elements.find.addEventListener("keydown", (event) => {
    const isSame = (new URLSearchParams(location.search).get("find") ?? "") === event.target.value;
    if (event.key !== "Enter" || !isSame) return;
    event.preventDefault();
    step(event.shiftKey);
  });
  part.addEventListener("click", (event) => {
    const link = event.target.closest("[data-log-go]");
    if (!link) return;
    event.preventDefault();
    ask(new URL(link.href).searchParams.toString());
  });
  more.addEventListener("click", () => {
    if (held !== null) show(held);
  });
  box().addEventListener("scroll", release, { passive: true });
  goToPlace();

  return {
    // Lines follow while the reader is at the end, and nowhere else.
    update(html) {
      const followed = box().dataset.logEnd !== undefined;
      if (followed && isAtEnd(box())) show(html);
      else if (followed) hold(html);
    },
  };
}
