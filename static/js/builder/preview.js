// The server's look at the form while somebody types: problems, pictures, YAML.

import { barModel, byField, shownProblems, stepState } from "./problems.js";
import { showSpace } from "./space_answer.js";
import { paintLines } from "./twin.js";

const WAIT = 350;

export function wirePreview(form) {
  const touched = new Set();
  let timer = 0;
  let request = null;
  let last = null;

  const all = () => form.elements.shows.value === "1";
  const ask = () => {
    clearTimeout(timer);
    timer = setTimeout(send, WAIT);
  };

  // Simulations are slow: the page requests them after it has shown the rest.
  async function send(simulates = false) {
    clearTimeout(timer);
    request?.abort();
    request = new AbortController();
    const data = new FormData(form);
    for (const name of ["files", "paste", "paths", "pasted_code"]) data.delete(name);
    if (simulates === true) data.set("simulates", "1");
    try {
      const address = form.dataset.previewUrl + location.search;
      const answer = await fetch(address, { method: "POST", body: data, signal: request.signal });
      if (!answer.ok) return;
      last = await answer.json();
      show(form, last, touched, all());
      if (last.pending) timer = setTimeout(send, simulates === true ? 1000 : 0, true);
    } catch (error) {
      if (error.name !== "AbortError") console.warn("preview:", error.message);
    }
  }

  const touch = (event) => {
    const field = event.target.closest("[data-field]")?.dataset.field;
    if (event.target.name === "goal") form.elements.guessed_goal.value = "";
    if (field && event.type === "change") touched.add(field);
    ask();
  };
  form.addEventListener("input", touch);
  form.addEventListener("change", touch);
  if (form.querySelector("[data-pending]")) send(true);
  return {
    ask,
    show: (answer) => show(form, answer, touched, all()),
    touch: (field) => touched.add(field),
  };
}

function show(form, answer, touched, all) {
  if (answer.yaml_problems) return showTextProblems(form, answer.yaml_problems);
  const shown = shownProblems(answer.problems, touched, all);
  showSentences(form, byField(shown), byField(answer.warnings));
  markFields(form, new Set(shown.map((problem) => problem.field)));
  showBar(form, barModel(all ? answer.problems : shown));
  showSpace(form, answer);
  showWords(form, answer);
  form.querySelector("[data-collected]").innerHTML = answer.collected;
  showChanges(answer.changes);
  form.querySelector("[data-read]").innerHTML = answer.read;
  form.querySelector("[data-offers]").innerHTML = answer.space_offers;
  form.querySelector("[data-metrics]").innerHTML = answer.metric_offers;
  for (const step of form.querySelectorAll("[data-step]")) {
    const state = stepState(Number(step.dataset.step), answer.problems, shown);
    step.classList.toggle("step-wrong", state === "wrong");
    step.classList.toggle("step-done", state === "done");
  }
  paintLines(form, answer, shown);
}

// Of a copy; the list stays open while somebody reads it.
function showChanges(html) {
  const place = document.querySelector("[data-changes]");
  if (!place) return;
  const open = Boolean(place.querySelector("details[open]"));
  place.innerHTML = html;
  if (open) place.querySelector("details")?.setAttribute("open", "");
}

function sentence(form, kind, text) {
  const part = form.querySelector(`template[data-template="${kind}"]`).content.cloneNode(true);
  part.querySelector("span").textContent = text;
  return part;
}

function showSentences(form, problems, warnings) {
  for (const box of form.querySelectorAll("[data-problems]")) {
    const name = box.dataset.problems;
    box.replaceChildren(
      ...(problems.get(name) ?? []).map((problem) => sentence(form, "problem", problem.message)),
      ...(warnings.get(name) ?? []).map((warning) => sentence(form, "warning", warning.message)),
    );
  }
}

function markFields(form, wrong) {
  for (const field of form.querySelectorAll("[data-field]")) {
    if (field.dataset.field === "paste") continue;
    const isWrong = wrong.has(field.dataset.field);
    field.classList.toggle("is-wrong", isWrong);
    const control = field.querySelector("input, select, textarea");
    if (isWrong) control?.setAttribute("aria-invalid", "true");
    else control?.removeAttribute("aria-invalid");
  }
}

// The guess by the metric's name, until somebody chooses.
function showGoal(form, { goal, guessed_goal: guess }) {
  const chosen = form.elements.goal.value;
  if (chosen && chosen !== form.elements.guessed_goal.value) return;
  form.elements.goal.value = goal;
  form.elements.guessed_goal.value = guess;
}

function showWords(form, answer) {
  const set = (selector, text) => {
    for (const element of form.querySelectorAll(selector)) element.textContent = text;
  };
  set("[data-trials]", answer.trials);
  set("[data-combinations]", answer.combinations);
  set("#field-command_helptext", answer.unused);
  showGoal(form, answer.goals);
  set('[data-question="3"]', answer.space);
  for (const [name, html] of Object.entries(answer.cards)) showCards(form, name, html);
  for (const [name, [placeholder, help]] of Object.entries(answer.policy_settings)) {
    form.elements[name].placeholder = placeholder;
    set(`#field-${name}_helptext`, help);
  }
  set("[data-duration]", answer.duration);
  set("[data-compute]", answer.compute);
  set("[data-basis]", answer.basis);
  set("[data-usual]", answer.usual);
  form.querySelector("[data-estimate]").innerHTML = answer.estimate;
  form.querySelector("[data-savings]").innerHTML = answer.savings;
  const draws = form.querySelector("[data-draws]");
  if (draws) draws.innerHTML = answer.draws;
}

// The cards may change their places, but what is picked, open and has the focus stays.
function showCards(form, name, html) {
  const place = form.querySelector(`[data-deck="${name}"]`);
  if (place.dataset.shown === html) return;
  const picked = form.elements[name].value;
  const hasFocus = place.contains(document.activeElement);
  const isOpen = place.querySelector("details").open;
  const isOnSummary = document.activeElement.matches("summary");
  place.innerHTML = html;
  place.dataset.shown = html;
  place.querySelector("details").open = isOpen;
  form.elements[name].value = picked;
  if (hasFocus) place.querySelector(isOnSummary ? "summary" : ":checked").focus();
}

function showBar(form, bar) {
  const place = form.querySelector("[data-bar]");
  place.replaceChildren();
  if (bar.count === 0) return;
  const part = sentence(form, "problem", `${bar.text} `).firstElementChild;
  part.className = "text-failed";
  const line = part.querySelector("span");
  bar.links.forEach(({ anchor, label }, index) => {
    const link = document.createElement("a");
    link.className = "text-failed";
    link.href = `#${anchor}`;
    link.textContent = label;
    line.append(index ? ", " : "", link);
  });
  if (bar.more) line.append(` and ${bar.more} more`);
  place.append(part);
}

function showTextProblems(form, problems) {
  const place = form.querySelector("[data-yaml-problems]");
  if (!place) return;
  place.closest(".field").classList.toggle("is-wrong", problems.length > 0);
  place.replaceChildren(
    ...problems.map(({ line, path, message }) => {
      const part = sentence(form, "problem", "");
      const text = part.querySelector("span");
      if (line) {
        const button = document.createElement("button");
        button.type = "button";
        button.className = "button button-link";
        button.dataset.line = line;
        button.textContent = `line ${line}`;
        text.append(button, " ");
      }
      if (path) {
        const code = document.createElement("code");
        code.textContent = path;
        text.append(code, " ");
      }
      text.append(message);
      return part;
    }),
  );
}
