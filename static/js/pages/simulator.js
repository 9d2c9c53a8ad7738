// The policy simulator: the server simulates every change at once. The address always
// says what is shown; a longer simulation is requested again until it is done.

import { buildTable } from "../charts/data_table.js";
import { drawTradeOff, tradeOffTable } from "../charts/trade_off.js";
import { element, glyph } from "../charts/tooltip.js";
import { showParts } from "../parts.js";

const AFTER_TYPING = 250;
const AGAIN = 400;

const root = document.querySelector("[data-simulator]");
const form = root.querySelector("[data-simulator-form]");
const card = root.querySelector(".simulator-chart");
const vary = card.querySelector("[data-vary]");
const lost = card.querySelector("[data-lost]");

let query = location.search.slice(1);
let round = 0;
let chart = null;

function pause(time) {
  return new Promise((resolve) => {
    setTimeout(resolve, time);
  });
}

async function read(url, text) {
  const answer = await fetch(`${url}?${text}`, { headers: { Accept: "application/json" }, credentials: "same-origin" });
  if (!answer.ok || answer.redirected) throw new Error(`The simulator answered ${answer.status}.`);
  return answer.json();
}

// ---- the form --------------------------------------------------------------------

function entered() {
  const pairs = new URLSearchParams(new FormData(form));
  if (vary.value) pairs.set("vary", vary.value);
  return pairs.toString();
}

function keepInAddress(text) {
  const kept = new URLSearchParams(text);
  kept.delete("mark");
  kept.delete("form");
  history.replaceState(history.state, "", `?${kept}`);
}

function withMark(text, mark) {
  const pairs = new URLSearchParams(text);
  pairs.set("mark", mark);
  return pairs.toString();
}

// A slider below every number that has a range; the number is what counts.
function addSliders() {
  for (const field of form.querySelectorAll("[data-low]")) {
    if (field.querySelector("input[type=range]")) continue;
    const box = field.querySelector("input");
    const slider = document.createElement("input");
    slider.type = "range";
    slider.className = "simulator-slider";
    slider.min = field.dataset.low;
    slider.max = field.dataset.high;
    slider.step = field.dataset.step;
    slider.value = box.value;
    slider.setAttribute("aria-label", `${field.querySelector("label").textContent}, slider`);
    slider.addEventListener("input", () => {
      box.value = slider.value;
    });
    box.addEventListener("input", () => {
      slider.value = box.value;
    });
    box.after(slider);
  }
}

function showProblems(problems) {
  for (const field of form.querySelectorAll("[data-field]")) {
    const sentences = problems[field.dataset.field] ?? [];
    const place = field.querySelector(".simulator-problems");
    field.classList.toggle("is-wrong", sentences.length > 0);
    place.replaceChildren(
      ...sentences.map((text) => element("p", "field-error", glyph("failed"), element("span", "", text))),
    );
  }
}

function showVaried({ varied, vary: picked }) {
  vary.replaceChildren(
    ...varied.map(([name, words]) => new Option(`vary: ${words}`, name, false, name === picked)),
  );
  vary.hidden = varied.length < 2;
}

// ---- asking -------------------------------------------------------------------------------

function stale(is) {
  for (const name of ["outcomes", "ended"]) {
    root.querySelector(`[data-part="${name}"]`).toggleAttribute("data-stale", is);
  }
}

function show(answer) {
  const { settings, outcomes, ended, ...always } = answer.parts;
  showParts(always);
  // The old results stay until there are new ones.
  if (answer.right) showParts({ outcomes, ended });
  stale(!answer.right);
  if (settings !== undefined) {
    showParts({ settings }, { root });
    addSliders();
  }
  showProblems(answer.problems);
  showVaried(answer);
}

// Repeats the request until the answer is final, or until there is a newer request.
async function ask(text, { withForm = false } = {}) {
  const mine = ++round;
  let asked = text;
  let needsForm = withForm;
  for (;;) {
    const answer = await read(root.dataset.feed, needsForm ? `${asked}&form=1` : asked);
    if (mine !== round) return;
    needsForm = answer.reading;
    show(answer);
    asked = withMark(text, answer.mark);
    if (answer.final) {
      query = asked;
      await draw(mine, answer.right);
      return;
    }
    await pause(AGAIN);
    if (mine !== round) return;
  }
}

function failed(error) {
  console.warn("The simulation could not be requested.", error);
  const words = element("p", "field-error", glyph("failed"), element("span", "", "The simulator does not answer. Change a setting to try again."));
  root.querySelector('[data-part="answer"]').replaceChildren(words);
}

function change(text, how) {
  keepInAddress(text);
  ask(text, how).catch(failed);
}

// ---- the trade-off ---------------------------------------------------------------------------

function showModel(model) {
  card.querySelector("[data-chart-data]").replaceChildren(buildTable(tradeOffTable(model)));
  card.querySelector("[data-chart-note]").textContent = model.note;
  if (chart) chart.update(model);
  else chart = drawTradeOff(card.querySelector("canvas"), model, { lost: lost.value });
}

async function draw(mine, right) {
  const bar = card.querySelector("[data-chart-progress]");
  bar.hidden = true;
  if (!right) return;
  for (;;) {
    const answer = await read(root.dataset.tradeOff, query);
    if (mine !== round) return;
    bar.hidden = answer.final;
    bar.value = answer.done;
    if (answer.model) showModel(answer.model);
    if (answer.problem) card.querySelector("[data-chart-note]").textContent = answer.problem;
    if (answer.final) return;
    if (!chart) card.querySelector("[data-chart-note]").textContent = "Simulating a range of settings for every policy.";
    await pause(AGAIN);
    if (mine !== round) return;
  }
}

// ---- wiring ----------------------------------------------------------------------------------

let timer = null;

form.addEventListener("input", (event) => {
  clearTimeout(timer);
  if (event.target.name === "policy") {
    change(entered(), { withForm: true });
    return;
  }
  timer = setTimeout(() => change(entered()), AFTER_TYPING);
});

form.addEventListener("submit", (event) => {
  event.preventDefault();
  clearTimeout(timer);
  change(entered());
});

vary.addEventListener("change", () => change(entered()));
lost.addEventListener("change", () => chart?.set({ lost: lost.value }));

card.querySelector("[data-chart-table]").addEventListener("click", (event) => {
  const shown = !card.querySelector("[data-chart-data]").classList.toggle("visually-hidden");
  event.target.setAttribute("aria-pressed", String(shown));
});

addSliders();
vary.hidden = vary.options.length < 2;
ask(query, { withForm: "unfinished" in root.dataset }).catch(failed);
