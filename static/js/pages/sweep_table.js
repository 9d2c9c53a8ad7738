// The newest trials on a sweep's overview: rows kept fresh, ticks kept through it, and what
// is done with ticked trials.

import { parsed, placeRows } from "../table/rows.js";
import { rangesOf, ticksOf } from "../table/ticks.js";

let ticks = null;

// Puts the rows into the given order; new ones fade in, gone ones go. What has the focus
// keeps it, since a row that looks the same is left alone.
export function showRows(body, order, rows) {
  const old = new Map([...body.children].map((row) => [row.dataset.row, row]));
  const next = order.map((id) => {
    const key = String(id);
    const before = old.get(key);
    const html = rows[id];
    if (html === undefined) return before;
    const row = parsed(html);
    const box = row.querySelector("input.tick");
    if (box) box.checked = ticks.has(Number(box.value));
    if (!before) row.classList.add("is-new");
    return before && sameRow(before, row) ? before : row;
  });
  placeRows(body, next.filter(Boolean));
}

function sameRow(before, after) {
  const plain = (row) => row.innerHTML.replace(/ checked=""/, "");
  return plain(before) === plain(after) && before.className.replace("is-new", "").trim() === after.className;
}

function showTicked(form) {
  const boxes = [...form.querySelectorAll("input.tick")];
  for (const box of boxes) {
    box.checked = ticks.has(Number(box.value));
    box.closest("tr").classList.toggle("is-marked", box.checked);
  }
  const elsewhere = ticks.size - boxes.filter((box) => box.checked).length;
  const words = form.querySelector("[data-ticked-count]");
  words.hidden = ticks.size === 0;
  words.textContent = `${ticks.size} selected${elsewhere ? `, ${elsewhere} not shown here` : ""}`;
  form.querySelector("[data-compare-plain]").setAttribute("aria-disabled", String(ticks.size < 2));
  form.querySelector("[data-again]")?.setAttribute("aria-disabled", String(ticks.size < 1));
  form.querySelector("[data-compare-best]")?.setAttribute("aria-disabled", String(ticks.size < 1));
}

// Too few trials get a word instead of a page that refuses them.
function check(event) {
  const form = event.currentTarget;
  const { again, compareBest } = event.submitter?.dataset ?? {};
  const least = again === undefined && compareBest === undefined ? 2 : 1;
  if (ticks.size >= least) return;
  event.preventDefault();
  const words = form.querySelector("[data-ticked-count]");
  words.hidden = false;
  words.textContent =
    again === undefined ? "Select at least two trials, or one and Compare with best." : "Select the trials to run again.";
}

// All ticked trials, also those of other pages, and the best one if its button is pressed.
function complete({ formData }) {
  const sent = formData.getAll("trials").map(Number);
  formData.set("trials", rangesOf(new Set([...ticks.numbers(), ...sent])));
}

export function wireTable(root) {
  const form = root.querySelector("[data-compare]");
  ticks = ticksOf(root.dataset.sweep);
  if (!form) return;
  form.addEventListener("change", (event) => {
    if (event.target.matches("input.tick")) ticks.set(Number(event.target.value), event.target.checked);
  });
  form.addEventListener("submit", check);
  form.addEventListener("formdata", complete);
  ticks.onChange(() => showTicked(form));
  showTicked(form);
}

export function refreshTicked(root) {
  const form = root.querySelector("[data-compare]");
  if (form) showTicked(form);
}
