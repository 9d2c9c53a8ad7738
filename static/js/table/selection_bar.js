// The bar of picked trials: how many, and what can be done with them. The questions come
// from the server and open over the page; nothing else on it changes.

import { count } from "../format.js";
import { rangesOf } from "./ticks.js";

// shown(): the numbers of the rows in the page; done() runs after an act.
export function wireSelectionBar(bar, ticks, { shown, done = () => {} }) {
  const words = bar.querySelector("[data-picked-count]");
  const outside = bar.querySelector("[data-picked-outside]");
  const dialog = document.getElementById("picked-dialog");
  const form = bar.closest("form");

  function show() {
    bar.hidden = ticks.size === 0;
    words.textContent = `${count(ticks.size)} ${ticks.size === 1 ? "trial" : "trials"} ticked`;
    const here = new Set(shown());
    const away = ticks.numbers().filter((number) => !here.has(number)).length;
    outside.textContent = away > 0 && here.size > 0 ? `${count(away)} outside these rows` : "";
    for (const link of bar.querySelectorAll("[data-export-picked]")) {
      link.href = `${link.pathname}?numbers=${rangesOf(ticks.numbers())}`;
    }
  }

  // A question in the dialog, or the answer to it.
  async function ask(button) {
    const data = new FormData(button.form);
    data.set("ask", "1");
    const answer = await post(button.formAction, data);
    if (!answer) return;
    if (answer.html === undefined) {
      after(answer);
      return;
    }
    dialog.innerHTML = answer.html;
    dialog.showModal();
    (dialog.querySelector("input:not([type=hidden]), textarea") ?? dialog.querySelector("[data-dialog-close]"))?.focus();
  }

  async function send(event) {
    if (event.target.method !== "post") return;
    event.preventDefault();
    const answer = await post(event.target.action, new FormData(event.target));
    if (answer?.html !== undefined) {
      dialog.innerHTML = answer.html;
      return;
    }
    dialog.close();
    if (answer) after(answer);
  }

  function after({ sentence, error, undo }) {
    say(error ?? sentence, { undo, failed: error !== undefined });
    done();
  }

  async function undo(url) {
    const [action, query] = url.split("?");
    const data = new FormData(form);
    data.set("trials", new URLSearchParams(query).get("trials"));
    const answer = await post(action, data);
    if (answer) after(answer);
  }

  function say(text, { undo: url = "", failed = false } = {}) {
    const place = document.querySelector("[data-picked-said]");
    const note = document.createElement("p");
    note.className = `note ${failed ? "note-failed" : "note-completed"}`;
    note.append(text);
    if (url) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "button button-link";
      button.textContent = "Undo";
      button.addEventListener("click", () => undo(url));
      note.append(" ", button);
    }
    place.replaceChildren(note);
  }

  async function copy(kind) {
    const url = `${bar.querySelector("[data-copy-from]").dataset.copyFrom}?as=${kind}&numbers=${rangesOf(ticks.numbers())}`;
    try {
      const answer = await fetch(url, { credentials: "same-origin" });
      if (!answer.ok) throw new Error(`The site answered ${answer.status}.`);
      await navigator.clipboard.writeText(await answer.text());
      say(`Copied ${count(ticks.size)} ${ticks.size === 1 ? "configuration" : "configurations"}.`);
    } catch (error) {
      say(`Not copied. ${error.message}`, { failed: true });
    }
  }

  bar.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button?.dataset.pickedAsk !== undefined) {
      event.preventDefault();
      ask(button);
    } else if (button?.dataset.pickedClear !== undefined) ticks.clear();
    else if (button?.dataset.copyAs) copy(button.dataset.copyAs);
  });
  // Also the ticked trials that are not in the page.
  form.addEventListener("formdata", ({ formData }) => formData.set("trials", rangesOf(ticks.numbers())));
  dialog?.addEventListener("submit", send);
  ticks.onChange(show);
  show();
  return { show, say };
}

// The JSON of an answer, or {html} of a question; null if the site did not answer.
async function post(url, data) {
  try {
    const answer = await fetch(url, { method: "POST", body: data, headers: { Accept: "application/json" }, credentials: "same-origin" });
    if (answer.redirected) {
      location.assign(answer.url);
      return null;
    }
    const kind = answer.headers.get("Content-Type") ?? "";
    if (kind.includes("application/json")) return await answer.json();
    if (answer.ok || answer.status === 422) return { html: await answer.text() };
    return { error: `The site answered ${answer.status}. Reload the page.` };
  } catch {
    return { error: "The site did not answer. Nothing was changed." };
  }
}
